//! Hiding commitments to tensors, which depend on no model.
//!
//! Spec: `docs/spec/commitment.md#tensor-commitments`.

use super::Secret;
use super::nonce::hedged;
use crate::artefact::{
    self, ArtefactError, EncodingError, FieldError, G1_BYTES, Kind, Reader, Writer, decode_g1, encode_g1,
};
use crate::engine::Bases;
use crate::srs::Srs;
use crate::tensor::{TensorSpec, TensorSpecError};
use group::Curve;
use group::prime::PrimeCurveAffine;
use halo2_proofs::halo2curves::bn256::G1Affine;
use inferproof_circuits::integer::to_field;
use inferproof_circuits::secret::SecretColumn;
use inferproof_circuits::witness::{BLIND_POWERS, FIRST_POWER, tensor_polynomial};
use rand_core::{CryptoRng, RngCore};
use sha3::{Digest, Keccak256};
use std::fmt;
use std::path::Path;
use thiserror::Error;
use zeroize::Zeroizing;

/// Format version of both files.
const FORMAT: u16 = 1;
const BLINDS: usize = BLIND_POWERS.len();

/// A commitment that cannot be made, read or used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TensorError {
    /// The file.
    #[error(transparent)]
    Artefact(#[from] ArtefactError),
    /// The description of the tensor.
    #[error("the tensor's {0}; make the commitment again")]
    Spec(#[from] TensorSpecError),
    /// Values that are not of the tensor described.
    #[error("expected {expected} integers in {lo}..={hi}, got {got}")]
    Values {
        /// How many.
        expected: usize,
        /// Least.
        lo: i64,
        /// Greatest.
        hi: i64,
        /// What there is instead.
        got: String,
    },
    /// The SRS is too small.
    #[error(
        "the tensor has {elements} elements, this SRS serves at most {most}; use a larger one of the same ceremony"
    )]
    TooLarge {
        /// Elements of the tensor.
        elements: usize,
        /// Elements that have a power each.
        most: usize,
    },
    /// Another SRS than the commitment's.
    #[error("the commitment was made with SRS {expected}, this file is SRS {got}")]
    OtherSrs {
        /// The commitment's.
        expected: String,
        /// The file's.
        got: String,
    },
    /// The point at infinity, which hides nothing.
    #[error("the commitment is the point at infinity; make it again")]
    Identity,
    /// The values and the blinding cells give another point.
    #[error("the opening does not open its commitment; the file contradicts itself, make the commitment again")]
    Mismatch,
}

impl From<FieldError> for TensorError {
    fn from(error: FieldError) -> Self {
        Self::Artefact(error.into())
    }
}

/// A published commitment to a tensor: one point, and what the integers behind it mean.
///
/// It hides the tensor and binds whoever made it, for every model and every proof.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorCommitment {
    srs_id: [u8; 32],
    spec: TensorSpec,
    point: G1Affine,
}

impl TensorCommitment {
    /// From its parts, as a statement and a key give them.
    ///
    /// # Errors
    /// [`TensorError::Identity`].
    pub fn new(srs_id: [u8; 32], spec: TensorSpec, point: G1Affine) -> Result<Self, TensorError> {
        if bool::from(point.is_identity()) {
            return Err(TensorError::Identity);
        }
        Ok(Self { srs_id, spec, point })
    }

    /// The SRS it was made with.
    #[must_use]
    pub const fn srs_id(&self) -> [u8; 32] {
        self.srs_id
    }

    /// The tensor's shape, range and scale.
    #[must_use]
    pub const fn spec(&self) -> &TensorSpec {
        &self.spec
    }

    /// The point, as statements have it: 64 bytes.
    #[must_use]
    pub fn bytes(&self) -> [u8; G1_BYTES] {
        encode_g1(&self.point)
    }

    /// Names point and header: `Keccak-256("inferproof/tensor/1" | header | point)`, the header as [`tensor_header`].
    ///
    /// This is what owners publish or sign: the point alone does not say how its integers are to be read.
    #[must_use]
    pub fn tensor_id(&self) -> [u8; 32] {
        let mut hash = Keccak256::new();
        hash.update(b"inferproof/tensor/1");
        hash.update(tensor_header(&self.srs_id, &self.spec));
        hash.update(self.bytes());
        hash.finalize().into()
    }

    /// Writes the file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), TensorError> {
        let mut out = Writer::new();
        self.write(&mut out);
        Ok(artefact::write_atomic(path, Kind::TENSOR_COMMITMENT, FORMAT, &out.into_bytes())?)
    }

    /// Reads the file.
    ///
    /// # Errors
    /// Not a commitment to a tensor, damaged, or of another version.
    pub fn load(path: &Path) -> Result<Self, TensorError> {
        let payload = artefact::read(path, Kind::TENSOR_COMMITMENT, FORMAT)?;
        let mut input = Reader::new(&payload);
        let decoded = Self::read(&mut input).and_then(|commitment| Ok((commitment, input.finish()?)));
        decoded.map(|(commitment, ())| commitment).map_err(|e| in_file(e, path))
    }

    fn write(&self, out: &mut Writer) {
        out.raw(&self.srs_id);
        self.spec.write(out);
        out.g1(&self.point);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, TensorError> {
        let srs_id = input.array("srsId")?;
        let spec = TensorSpec::read(input)?;
        Self::new(srs_id, spec, input.g1("commitment")?)
    }
}

/// What a commitment says besides its point: `Keccak-256("inferproof/tensor-header/1" | srsId | tensor)`, the tensor as
/// [`TensorSpec::preimage`].
#[must_use]
pub fn tensor_header(srs_id: &[u8; 32], spec: &TensorSpec) -> [u8; 32] {
    let mut hash = Keccak256::new();
    hash.update(b"inferproof/tensor-header/1");
    hash.update(srs_id);
    hash.update(spec.preimage());
    hash.finalize().into()
}

/// The point of a committed tensor in a statement; `None` unless it is one, in its only spelling, and not the identity.
pub(crate) fn statement_point(bytes: &[u8]) -> Option<G1Affine> {
    let bytes: &[u8; G1_BYTES] = bytes.try_into().ok()?;
    let point: Result<G1Affine, EncodingError> = decode_g1(bytes);
    point.ok().filter(|point| !bool::from(point.is_identity()))
}

/// What opens a commitment: the tensor and the cells that blind it. Secret.
#[derive(Clone)]
pub struct TensorOpening {
    commitment: TensorCommitment,
    values: Zeroizing<Vec<i64>>,
    blinds: Zeroizing<[Secret; BLINDS]>,
}

impl fmt::Debug for TensorOpening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TensorOpening({:?}, secrets not shown)", self.commitment)
    }
}

impl TensorOpening {
    /// Commits to a tensor. `rng` blinds it: pass the operating system's, and never commit twice with the same randomness.
    ///
    /// Cost: one MSM of as many small scalars as the tensor has elements.
    ///
    /// # Errors
    /// [`TensorError::Values`], [`TensorError::TooLarge`].
    pub fn commit(
        spec: TensorSpec,
        values: &[i64],
        srs: &Srs,
        rng: impl RngCore + CryptoRng,
    ) -> Result<Self, TensorError> {
        Self::commit_with(spec, values, srs.srs_id(), srs.g(), &[], rng)
    }

    /// As [`Self::commit`], with the powers of an SRS. What blinds is hashed with `purpose` too: nothing made for two purposes shares it, even if the
    /// generator fails.
    pub(crate) fn commit_with(
        spec: TensorSpec,
        values: &[i64],
        srs_id: [u8; 32],
        powers: &[G1Affine],
        purpose: &[u8],
        rng: impl RngCore + CryptoRng,
    ) -> Result<Self, TensorError> {
        check_values(&spec, values)?;
        let header = tensor_header(&srs_id, &spec);
        let secrets = Zeroizing::new(values.iter().map(|value| Secret(to_field(*value))).collect::<Vec<_>>());
        let public = [header.as_slice(), purpose].concat();
        let blinds = hedged(b"inferproof/tensor-blind/1", &public, secrets.iter(), rng);
        let point = point(powers, &blinds, values)?;
        let commitment = TensorCommitment::new(srs_id, spec, point)?;
        Ok(Self { commitment, values: Zeroizing::new(values.to_vec()), blinds })
    }

    /// The commitment.
    #[must_use]
    pub const fn commitment(&self) -> &TensorCommitment {
        &self.commitment
    }

    /// The tensor's integers, row-major.
    #[must_use]
    pub fn values(&self) -> &[i64] {
        &self.values
    }

    /// Coefficients of the polynomial behind the commitment, from that of `X` on.
    pub(crate) fn polynomial(&self) -> Zeroizing<Vec<Secret>> {
        tensor_polynomial(&self.blinds, &self.values)
    }

    /// Checks that values and blinding cells give the commitment's point.
    ///
    /// # Errors
    /// [`TensorError::OtherSrs`], [`TensorError::TooLarge`], [`TensorError::Mismatch`].
    pub fn check(&self, srs: &Srs) -> Result<(), TensorError> {
        self.check_with(srs.srs_id(), srs.g())
    }

    /// As [`Self::check`], with the powers of an SRS.
    pub(crate) fn check_with(&self, srs_id: [u8; 32], powers: &[G1Affine]) -> Result<(), TensorError> {
        if srs_id != self.commitment.srs_id {
            let [expected, got] = [self.commitment.srs_id, srs_id].map(hex::encode);
            return Err(TensorError::OtherSrs { expected, got });
        }
        let point = point(powers, &self.blinds, &self.values)?;
        if point == self.commitment.point { Ok(()) } else { Err(TensorError::Mismatch) }
    }

    /// Writes a new file, readable by its owner only. An opening is never replaced: without it its commitment is lost.
    ///
    /// # Errors
    /// There is a file of that name, or it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), TensorError> {
        // All of it at once: a buffer that grows leaves copies behind.
        let mut out = Writer::with_capacity(512 + 8 * self.values.len());
        self.commitment.write(&mut out);
        self.blinds.iter().for_each(|blind| {
            out.fr(&blind.0);
        });
        out.count(self.values.len());
        for value in self.values.iter() {
            out.i64(*value);
        }
        let payload = Zeroizing::new(out.into_bytes());
        Ok(artefact::write_new(path, Kind::TENSOR_OPENING, FORMAT, &payload)?)
    }

    /// Reads the file. Whether it opens its commitment is for [`Self::check`].
    ///
    /// # Errors
    /// Not an opening, damaged, of another version, or its values are not of its tensor.
    pub fn load(path: &Path) -> Result<Self, TensorError> {
        let payload = Zeroizing::new(artefact::read(path, Kind::TENSOR_OPENING, FORMAT)?);
        Self::decode(&payload).map_err(|e| in_file(e, path))
    }

    fn decode(payload: &[u8]) -> Result<Self, TensorError> {
        let mut input = Reader::new(payload);
        let commitment = TensorCommitment::read(&mut input)?;
        let blinds = Zeroizing::new([Secret(input.fr("blinding cell")?), Secret(input.fr("blinding cell")?)]);
        let count = input.count("elements", 8)?;
        let mut values = Zeroizing::new(Vec::with_capacity(count));
        for _ in 0..count {
            values.push(input.i64("element")?);
        }
        input.finish()?;
        check_values(&commitment.spec, &values)?;
        Ok(Self { commitment, values, blinds })
    }
}

fn in_file(error: TensorError, path: &Path) -> TensorError {
    match error {
        TensorError::Artefact(inner) => TensorError::Artefact(inner.in_file(path)),
        other => other,
    }
}

/// Says what is wrong without showing a value.
fn check_values(spec: &TensorSpec, values: &[i64]) -> Result<(), TensorError> {
    let range = spec.packing.range;
    let wrong = |got| TensorError::Values { expected: spec.packing.elements, lo: range.lo, hi: range.hi, got };
    if values.len() != spec.packing.elements {
        return Err(wrong(format!("{} integers", values.len())));
    }
    match values.iter().position(|value| !range.contains(*value)) {
        Some(index) => Err(wrong(format!("another at row-major index {index}"))),
        None => Ok(()),
    }
}

/// `b_0 [tau] + b_1 [tau^2] + sum_i values_i [tau^(i+3)]`.
fn point(powers: &[G1Affine], blinds: &[Secret; BLINDS], values: &[i64]) -> Result<G1Affine, TensorError> {
    let most = powers.len().saturating_sub(FIRST_POWER);
    let too_large = || TensorError::TooLarge { elements: values.len(), most };
    commit_polynomial(powers, &tensor_polynomial(blinds, values)).ok_or_else(too_large)
}

/// Commitment to a polynomial given by its coefficients from that of `X` on; `None` if there are more than powers.
pub(crate) fn commit_polynomial(powers: &[G1Affine], polynomial: &[Secret]) -> Option<G1Affine> {
    let bases = powers.get(1..=polynomial.len())?;
    let plain = SecretColumn(polynomial.iter().map(|s| s.0).collect());
    Some(Bases::new(bases).msm(&plain).to_affine())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ff::Field;
    use halo2_proofs::halo2curves::bn256::Fr;
    use inferproof_circuits::integer::Interval;
    use rand_core::OsRng;

    fn spec(shape: &[usize]) -> TensorSpec {
        TensorSpec::new(shape.to_vec(), Interval::new(-8, 7), 2.5).unwrap()
    }

    /// The formula of the specification, power by power.
    #[test]
    fn the_point_is_the_formula() {
        let srs = Srs::development(4, OsRng).unwrap();
        let values = [3, -8, 0, 7];
        let opening = TensorOpening::commit(spec(&[2, 2]), &values, &srs, OsRng).unwrap();
        let mut expected = srs.g()[1] * opening.blinds[0].0 + srs.g()[2] * opening.blinds[1].0;
        for (i, value) in values.iter().enumerate() {
            expected += srs.g()[i + 3] * to_field(*value);
        }
        assert_eq!(opening.commitment.point, expected.to_affine());
        opening.check(&srs).unwrap();
        let again = TensorOpening::commit(spec(&[2, 2]), &values, &srs, OsRng).unwrap();
        assert_ne!(again.commitment.point, opening.commitment.point, "it hides");
    }

    #[test]
    fn the_id_names_point_and_header() {
        let srs = Srs::development(4, OsRng).unwrap();
        let opening = TensorOpening::commit(spec(&[2, 2]), &[1, 2, 3, 4], &srs, OsRng).unwrap();
        let TensorCommitment { srs_id, point, .. } = opening.commitment.clone();
        let other = |spec: TensorSpec| TensorCommitment::new(srs_id, spec, point).unwrap();
        let range = |lo, hi| TensorSpec::new(vec![2, 2], Interval::new(lo, hi), 2.5).unwrap();
        let scaled = TensorSpec::new(vec![2, 2], Interval::new(-8, 7), 2.0).unwrap();
        let mut ids: Vec<[u8; 32]> = [spec(&[2, 2]), spec(&[4]), spec(&[1, 2, 2]), range(-8, 8), range(-7, 7), scaled]
            .into_iter()
            .map(|spec| other(spec).tensor_id())
            .collect();
        assert_eq!(ids[0], opening.commitment.tensor_id());
        ids.push(TensorCommitment::new([1; 32], spec(&[2, 2]), point).unwrap().tensor_id());
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all);
        assert!(matches!(TensorCommitment::new(srs_id, spec(&[1]), G1Affine::identity()), Err(TensorError::Identity)));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let srs = Srs::development(4, OsRng).unwrap();
        let commit = |shape: &[usize], values: &[i64]| TensorOpening::commit(spec(shape), values, &srs, OsRng);
        assert!(matches!(commit(&[3], &[1, 2]), Err(TensorError::Values { .. })));
        let error = commit(&[2], &[1, 77]).unwrap_err();
        assert!(matches!(error, TensorError::Values { .. }) && !error.to_string().contains("77"), "{error}");
        // An SRS for 2^4 rows has 18 powers; the first three are of no element.
        commit(&[15], &[1; 15]).unwrap();
        assert!(matches!(commit(&[16], &[1; 16]), Err(TensorError::TooLarge { most: 15, .. })));
        let opening = commit(&[2], &[1, 2]).unwrap();
        let other = Srs::development(4, OsRng).unwrap();
        assert!(matches!(opening.check(&other), Err(TensorError::OtherSrs { .. })));
        let mut changed = opening.clone();
        changed.values[0] = 2;
        assert!(matches!(changed.check(&srs), Err(TensorError::Mismatch)));
        for cell in 0..BLINDS {
            changed = opening.clone();
            changed.blinds[cell].0 += Fr::ONE;
            assert!(matches!(changed.check(&srs), Err(TensorError::Mismatch)));
        }
        let shown = format!("{opening:?} {changed:?}");
        assert!(shown.contains("secrets not shown"));
    }

    #[test]
    fn files_survive_and_say_what_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let srs = Srs::development(4, OsRng).unwrap();
        let opening = TensorOpening::commit(spec(&[2]), &[-1, 2], &srs, OsRng).unwrap();
        opening.save(&path("opening")).unwrap();
        opening.commitment.save(&path("commitment")).unwrap();
        let read = TensorOpening::load(&path("opening")).unwrap();
        read.check(&srs).unwrap();
        assert_eq!((read.values(), read.commitment()), (opening.values(), opening.commitment()));
        assert_eq!(TensorCommitment::load(&path("commitment")).unwrap(), opening.commitment);
        let swapped = TensorCommitment::load(&path("opening")).unwrap_err().to_string();
        assert!(swapped.contains("the opening of a commitment"), "{swapped}");
        assert!(TensorOpening::load(&path("commitment")).is_err());
        let bytes = std::fs::read(path("opening")).unwrap();
        assert!(bytes.starts_with(b"INFSECRT"));
        // Never replaced: whoever lost it could not open what is published.
        let error = opening.save(&path("opening")).unwrap_err();
        assert!(matches!(error, TensorError::Artefact(ArtefactError::Exists { .. })), "{error}");
        assert_eq!(std::fs::read(path("opening")).unwrap(), bytes);
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            std::fs::write(path("bad"), &bad).unwrap();
            assert!(TensorOpening::load(&path("bad")).is_err(), "byte {at}");
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(path("opening")).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
