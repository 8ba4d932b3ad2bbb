use serde::de::DeserializeOwned;

use super::{embed, openai};

/// Of which requests these bytes are the body: of `/embed`, of `/batch`, of `/v1/embeddings`.
pub fn requests(body: &[u8]) -> [bool; 3] {
    fn reads<T: DeserializeOwned>(body: &[u8]) -> bool {
        serde_json::from_slice::<T>(body).is_ok()
    }
    [reads::<embed::EmbedRequest>(body), reads::<embed::BatchRequest>(body), reads::<openai::Request>(body)]
}
