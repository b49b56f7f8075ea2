//! What a proof says: this model, this input, this output, for this use.

use serde::{Deserialize, Serialize};

/// What the transcript absorbs first.
pub(crate) const PROOF_DOMAIN: &[u8] = b"inferproof/proof/1";
/// Version of the proof format; absorbed by the transcript.
pub const PROOF_VERSION: u16 = 1;

/// The public statement of a proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    /// The model, see [`crate::keys::VerifyingKey::model_id`].
    #[serde(with = "hex")]
    pub model_id: [u8; 32],
    /// Free for the caller: binds the proof to a use.
    #[serde(with = "hex")]
    pub context: [u8; 32],
    /// The input's bytes, see [`inferproof_circuits::packing`].
    #[serde(with = "hex")]
    pub input: Vec<u8>,
    /// The output's bytes.
    #[serde(with = "hex")]
    pub output: Vec<u8>,
}

impl std::fmt::Display for Statement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { model_id, context, input, output } = self;
        let [model, context, output] = [hex::encode(model_id), hex::encode(context), hex::encode(output)];
        write!(f, "model {model} maps {} input bytes to {output}, for context {context}", input.len())
    }
}

impl Statement {
    /// What the transcript absorbs first: everything public, as bytes, lengths before contents.
    pub(crate) fn transcript_prefix(&self) -> Vec<u8> {
        let mut bytes = PROOF_DOMAIN.to_vec();
        bytes.extend(PROOF_VERSION.to_be_bytes());
        bytes.extend(self.model_id);
        bytes.extend(self.context);
        for tensor in [&self.input, &self.output] {
            bytes.extend((tensor.len() as u32).to_be_bytes());
            bytes.extend(tensor);
        }
        bytes
    }
}
