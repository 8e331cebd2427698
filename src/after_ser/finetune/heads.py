"""The names of the classifier's heads; light on imports, for who only needs to know them."""

#: Transformers' Wav2Vec2ForSequenceClassification: the one head that `after_ser export` can write.
SEQUENCE_CLASSIFICATION = "sequence-classification"
HEADS = ("mean-relu-linear", "relu-mean-linear", SEQUENCE_CLASSIFICATION)
