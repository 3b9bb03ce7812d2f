"""What is asked about which image: taxonomy, images, label maps, questions, conditions."""
