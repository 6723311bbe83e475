"""The unlearning bridge: carries an erasure into attached local models."""
