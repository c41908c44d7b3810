"""Bundles on a hub that speaks Hugging Face's protocol: pushed with their model card, pulled and checked."""
