"""Speed of this project beside a peer captioner, on one synthetic problem and in one run."""
