"""Task-adaptive pre-training (section 2.2 of the AFTER paper): objectives, masks and the loop."""
