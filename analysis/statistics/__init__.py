"""What captions are like, as numbers: words, nouns, perplexity, caption metrics; beside human captions."""
