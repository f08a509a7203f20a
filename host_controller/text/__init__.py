"""What a message is made of: numbers, texts, parts, words. Pure, with no knowledge of phones or queues."""
