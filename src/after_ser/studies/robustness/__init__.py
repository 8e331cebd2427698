"""Trained models on test clips made worse: noise, reverberation, telephone, coding."""
