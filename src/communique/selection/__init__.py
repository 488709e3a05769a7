"""Choose the classifier that suits the labelled data, by cross-validation over documents."""
