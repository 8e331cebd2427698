"""Ways in which a test clip is made worse: noise, reverberation, narrow band, coding."""
