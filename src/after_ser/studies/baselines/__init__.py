"""Other systems that AFTER is compared with (paper, Table 3), one file each."""
