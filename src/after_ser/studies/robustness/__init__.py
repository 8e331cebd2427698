"""Trained models on degraded test clips: noise, reverberation, telephone, coding."""
