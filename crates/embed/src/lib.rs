//! Client of the embedding service, with a cache of vectors in two tiers.
