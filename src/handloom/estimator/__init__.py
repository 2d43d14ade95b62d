"""The estimator: Handloom's networks under scikit-learn's rules."""

from handloom.estimator.classifier import Classifier as Classifier
