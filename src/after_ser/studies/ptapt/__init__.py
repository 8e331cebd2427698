"""P-TAPT: frame-level emotion states, their clusters, and what is predicted of them."""
