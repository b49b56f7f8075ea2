//! Nonces that a failing generator alone does not give away.

use super::Secret;
use crate::artefact::encode_fr;
use ff::{Field, FromUniformBytes};
use halo2_proofs::halo2curves::bn256::Fr;
use rand_core::{CryptoRng, RngCore};
use sha3::{Digest, Keccak256};
use zeroize::{Zeroize, Zeroizing};

/// `N` nonces: fresh randomness hashed with the secrets they guard and with what is public of them.
pub(super) fn hedged<'a, const N: usize>(
    domain: &[u8],
    public: &[u8],
    secrets: impl IntoIterator<Item = &'a Secret>,
    mut rng: impl RngCore + CryptoRng,
) -> Zeroizing<[Secret; N]> {
    let mut hash = Keccak256::new();
    hash.update(domain);
    hash.update((public.len() as u64).to_be_bytes());
    hash.update(public);
    for secret in secrets {
        let mut bytes = encode_fr(&secret.0);
        hash.update(bytes);
        bytes.zeroize();
    }
    let mut fresh = [0; 32];
    rng.fill_bytes(&mut fresh);
    hash.update(fresh);
    fresh.zeroize();
    let mut wide = [0; 64];
    let nonce = |index| {
        for (half, bytes) in (0..).zip(wide.chunks_exact_mut(32)) {
            bytes.copy_from_slice(&hash.clone().chain_update([index as u8, half]).finalize());
        }
        let nonce = Fr::from_uniform_bytes(&wide);
        wide.zeroize();
        Secret(if bool::from(nonce.is_zero()) { Fr::ONE } else { nonce })
    };
    Zeroizing::new(std::array::from_fn(nonce))
}
