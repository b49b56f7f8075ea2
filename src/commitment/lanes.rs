//! The registered lanes: one KZG commitment each.

use super::Secret;
use crate::engine::Bases;
use ff::Field;
use group::Curve;
use halo2_proofs::arithmetic::best_multiexp;
use halo2_proofs::halo2curves::bn256::{Fr, G1, G1Affine};
use inferproof_circuits::integer::to_field;
use inferproof_circuits::machine::BLINDING_ROWS;
use inferproof_circuits::secret::SecretColumn;
use inferproof_circuits::witness::LaneRows;
use rand_core::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};
use sha3::{Digest, Keccak256};
use std::iter::successors;
use zeroize::Zeroizing;

/// Whether the weights behind commitments are known to everyone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WeightVisibility {
    /// Commitments are blinded; a proof re-randomises them.
    #[default]
    Secret,
    /// Anyone may commit again from the weights.
    Public,
}

/// What blinds the registered lanes: two uniform cells each. Kept with the weights.
#[derive(Clone)]
pub(crate) struct Opening {
    /// Cells on rows `n-2`, `n-1` of each lane; empty for public weights.
    pub(crate) tails: Zeroizing<Vec<[Secret; BLINDING_ROWS]>>,
}

impl Opening {
    /// Fresh blinding for `lanes` lanes.
    pub(crate) fn fresh(visibility: WeightVisibility, lanes: usize, mut rng: impl RngCore + CryptoRng) -> Self {
        let count = if visibility == WeightVisibility::Secret { lanes } else { 0 };
        let tails = (0..count).map(|_| [Secret(Fr::random(&mut rng)), Secret(Fr::random(&mut rng))]).collect();
        Self { tails: Zeroizing::new(tails) }
    }

    /// `sum_j R^j tail_j` on both rows.
    pub(crate) fn fold(&self, channel: Fr) -> Zeroizing<[Secret; BLINDING_ROWS]> {
        let fold = |row: usize| Secret(self.tails.iter().rev().fold(Fr::ZERO, |acc, t| acc * channel + t[row].0));
        Zeroizing::new([fold(0), fold(1)])
    }
}

/// The commitments to the weight lanes of one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightCommitments {
    /// Whether the weights are secret.
    pub visibility: WeightVisibility,
    /// One commitment a lane; the identity for a public lane of zeros.
    pub points: Vec<G1Affine>,
}

impl WeightCommitments {
    /// Keccak-256 of [`Self::preimage`].
    #[must_use]
    pub fn weights_id(&self) -> [u8; 32] {
        Keccak256::digest(self.preimage()).into()
    }

    /// `"inferproof/weights/1" || visibility || count || points`.
    #[must_use]
    pub fn preimage(&self) -> Vec<u8> {
        let mut out = b"inferproof/weights/1".to_vec();
        out.push(u8::from(self.visibility == WeightVisibility::Secret));
        out.extend(u32::try_from(self.points.len()).unwrap_or(u32::MAX).to_be_bytes());
        self.points.iter().for_each(|point| out.extend(crate::artefact::encode_g1(point)));
        out
    }

    /// `sum_j R^j C_j`. Cost: one MSM of as many terms as there are lanes.
    #[must_use]
    pub fn fold(&self, channel: Fr) -> G1 {
        let powers: Vec<Fr> =
            successors(Some(Fr::ONE), |power| Some(power * channel)).take(self.points.len()).collect();
        best_multiexp(&powers, &self.points)
    }
}

/// Commits to the lanes with the Lagrange points of `2^k` rows.
///
/// Cost: one MSM of as many terms as rows hold weights, a lane.
pub(crate) fn commit(
    lanes: &LaneRows,
    count: usize,
    lagrange: &[G1Affine],
    visibility: WeightVisibility,
    opening: &Opening,
) -> WeightCommitments {
    let mut bases: Vec<G1Affine> = lanes.rows.iter().map(|(row, _)| lagrange[*row]).collect();
    bases.extend_from_slice(&lagrange[lagrange.len() - BLINDING_ROWS..]);
    let column = |lane: usize| {
        let mut scalars = Vec::with_capacity(lanes.rows.len() + BLINDING_ROWS);
        scalars.extend(lanes.rows.iter().map(|(_, weights)| to_field(weights[lane])));
        let tail = opening.tails.get(lane).copied().unwrap_or_default();
        scalars.extend(tail.map(|cell| cell.0));
        SecretColumn(scalars)
    };
    let columns: Vec<SecretColumn> = (0..count).map(column).collect();
    let points = Bases::new(&bases).msm_many(&columns.iter().map(|column| &column.0[..]).collect::<Vec<_>>());
    let mut affine = vec![G1Affine::default(); points.len()];
    G1::batch_normalize(&points, &mut affine);
    WeightCommitments { visibility, points: affine }
}

#[cfg(test)]
mod tests {
    use super::*;
    use group::Group;
    use rand_core::OsRng;

    /// By the definition, with lanes that hold nothing.
    #[test]
    fn the_fold_is_the_sum_of_multiples() {
        for lanes in [1, 2, 3, 64, 128, 256] {
            let point = |lane: usize| if lane % 5 == 1 { G1::identity() } else { G1::random(OsRng) };
            let points: Vec<G1> = (0..lanes).map(point).collect();
            let mut affine = vec![G1Affine::default(); lanes];
            G1::batch_normalize(&points, &mut affine);
            let commitments = WeightCommitments { visibility: WeightVisibility::Public, points: affine };
            for channel in [Fr::ZERO, Fr::ONE, -Fr::ONE, Fr::random(OsRng)] {
                let expected = points.iter().rev().fold(G1::identity(), |sum, point| sum * channel + point);
                assert_eq!(commitments.fold(channel), expected, "{lanes} lanes");
            }
        }
    }
}
