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
    /// Any 32 bytes of the caller's: they bind the proof to a use, and a verifier compares them with those of the use it is for.
    #[serde(with = "hex")]
    pub context: [u8; 32],
    /// The input: its integers in row-major order, one or two bytes each, big-endian ([`inferproof_circuits::packing`]); the 64 bytes of the point if it
    /// is committed; none if it is private.
    #[serde(with = "hex")]
    pub input: Vec<u8>,
    /// The output, in the same way.
    #[serde(with = "hex")]
    pub output: Vec<u8>,
}

impl std::fmt::Display for Statement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { model_id, context, input, output } = self;
        let [model, context] = [hex::encode(model_id), hex::encode(context)];
        let input = if input.is_empty() { "a private input".into() } else { format!("{} input bytes", input.len()) };
        let output = if output.is_empty() { "a private output".into() } else { hex::encode(output) };
        write!(f, "model {model} maps {input} to {output}, for context {context}")
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
