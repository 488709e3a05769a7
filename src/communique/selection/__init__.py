"""Choose the classifier for some labelled data by cross-validation over documents."""
