"""Official release layouts, one file per corpus: names, label files, recording conditions."""
