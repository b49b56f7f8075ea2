//! The verifying key: what names a model, and all a verifier needs of it.

use crate::artefact::{self, ArtefactError, FieldError, G1_BYTES, Kind, Reader, Writer, encode_fr, encode_g1};
use crate::commitment::{WeightCommitments, WeightVisibility};
use crate::tensor::{TensorSpec, TensorSpecError};
use ff::{Field, PrimeField};
use group::prime::PrimeCurveAffine;
use halo2_proofs::halo2curves::bn256::{Fr, G1Affine};
use halo2_proofs::plonk::{self, ConstraintSystem};
use halo2_proofs::poly::EvaluationDomain;
use inferproof_circuits::interface::{End, Interface, Visibility};
use inferproof_circuits::machine::{COPY_COLUMNS, DEGREE, LANES, Machine, Parameters, Shape};
use sha3::{Digest, Keccak256};
use std::path::Path;
use thiserror::Error;

/// Format version of verifying keys.
const FORMAT: u16 = 3;

/// A key file that cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file.
    #[error(transparent)]
    Artefact(#[from] ArtefactError),
    /// A field that decodes, but means nothing.
    #[error("the key's {field} is {got}, expected {expected}; make the key again with `inferproof setup`")]
    Value {
        /// Which field.
        field: &'static str,
        /// Its value.
        got: String,
        /// What it may be.
        expected: String,
    },
    /// The model inside a proving key.
    #[error("the model inside the proving key: {0}")]
    Model(String),
}

impl From<TensorSpecError> for KeyError {
    fn from(error: TensorSpecError) -> Self {
        match error {
            TensorSpecError::Field(error) => error.into(),
            TensorSpecError::Value { field, got, expected } => Self::Value { field, got, expected: expected.into() },
        }
    }
}

impl From<FieldError> for KeyError {
    fn from(error: FieldError) -> Self {
        Self::Artefact(error.into())
    }
}

/// Input and output.
#[derive(Clone, Debug, PartialEq)]
pub struct IoSpec {
    /// The input.
    pub input: TensorSpec,
    /// The output.
    pub output: TensorSpec,
    /// What a verifier sees of them.
    pub interface: Interface,
}

impl IoSpec {
    /// The tensor at one end.
    #[must_use]
    pub const fn of(&self, end: End) -> &TensorSpec {
        match end {
            End::Input => &self.input,
            End::Output => &self.output,
        }
    }

    /// Instance words of the tensor at one end: none unless it is public.
    #[must_use]
    pub fn words(&self, end: End) -> usize {
        match self.interface.of(end) {
            Visibility::Public => self.of(end).packing.words(),
            Visibility::Committed | Visibility::Given | Visibility::Private => 0,
        }
    }

    /// Bytes of the tensor at one end in a statement: its own, those of a point, or none.
    #[must_use]
    pub fn statement_bytes(&self, end: End) -> usize {
        match self.interface.of(end) {
            Visibility::Public => self.of(end).packing.byte_len(),
            Visibility::Committed | Visibility::Given => G1_BYTES,
            Visibility::Private => 0,
        }
    }
}

/// Everything a verifier needs of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifyingKey {
    pub(crate) shape: Shape,
    pub(crate) k: u32,
    /// Weight lanes that the program has room for. The program's constants depend on it, so it is part of `programId`.
    pub(crate) lanes: usize,
    pub(crate) srs_id: [u8; 32],
    pub(crate) insecure: bool,
    pub(crate) fixed: Vec<G1Affine>,
    pub(crate) permutation: Vec<G1Affine>,
    pub(crate) io: IoSpec,
    pub(crate) weights: WeightCommitments,
}

/// First four bytes of every proof for this machine and shape: they name its verifier.
#[must_use]
pub fn proof_tag(shape: Shape) -> [u8; 4] {
    let hash = Keccak256::digest([b"inferproof/verifier/1".as_slice(), &shape.version().to_be_bytes()].concat());
    [hash[0], hash[1], hash[2], hash[3]]
}

impl VerifyingKey {
    /// Shape of the machine: which verifier it is for.
    #[must_use]
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// `n = 2^k` rows.
    #[must_use]
    pub const fn k(&self) -> u32 {
        self.k
    }

    /// The SRS this key belongs to.
    #[must_use]
    pub const fn srs_id(&self) -> [u8; 32] {
        self.srs_id
    }

    /// Whether the SRS was made for development: then proofs can be forged.
    #[must_use]
    pub const fn insecure(&self) -> bool {
        self.insecure
    }

    /// Shape, range and scale of input and output, and what a verifier sees of each.
    #[must_use]
    pub const fn io(&self) -> &IoSpec {
        &self.io
    }

    /// The commitments to the weights.
    #[must_use]
    pub const fn weights(&self) -> &WeightCommitments {
        &self.weights
    }

    /// Names the relation: machine, fixed columns, copies, tables, public tensors. Hash of [`Self::program_preimage`].
    #[must_use]
    pub fn program_id(&self) -> [u8; 32] {
        Keccak256::digest(self.program_preimage()).into()
    }

    /// What [`Self::program_id`] hashes.
    #[must_use]
    pub fn program_preimage(&self) -> Vec<u8> {
        let mut out = b"inferproof/program/1".to_vec();
        out.extend(self.shape.version().to_be_bytes());
        out.extend(proof_tag(self.shape));
        out.push(self.k as u8);
        out.extend(self.srs_id);
        out.push(u8::from(self.insecure));
        for points in [&self.fixed, &self.permutation] {
            out.extend((points.len() as u32).to_be_bytes());
            points.iter().for_each(|p| out.extend(encode_g1(p)));
        }
        let words = self.io.words(End::Input) + self.io.words(End::Output);
        out.extend((words as u32).to_be_bytes());
        out.extend(encode_fr(&self.halo2_digest()));
        for end in [End::Input, End::Output] {
            out.push(visibility_code(self.io.interface.of(end)));
            out.extend(self.io.of(end).preimage());
        }
        out.extend((self.lanes as u32).to_be_bytes());
        out
    }

    /// Names the weights, see [`WeightCommitments::weights_id`].
    #[must_use]
    pub fn weights_id(&self) -> [u8; 32] {
        self.weights.weights_id()
    }

    /// `Keccak-256("inferproof/model/1" || programId || weightsId)`.
    #[must_use]
    pub fn model_id(&self) -> [u8; 32] {
        let mut hash = Keccak256::new();
        hash.update(b"inferproof/model/1");
        hash.update(self.program_id());
        hash.update(self.weights_id());
        hash.finalize().into()
    }

    /// The key in the form of the proving backend, for verification: without tables for transforms.
    pub(crate) fn halo2_verifying(&self) -> plonk::VerifyingKey<G1Affine> {
        self.halo2(verifier_domain(self.k))
    }

    /// The backend's own digest of the key: what a proof absorbs after its statement.
    pub(crate) fn halo2_digest(&self) -> Fr {
        self.halo2_verifying().transcript_repr()
    }

    /// The key in the form of halo2's own prover. Memory: 12 * 2^k field elements.
    #[cfg(test)]
    pub(crate) fn halo2_proving(&self) -> plonk::VerifyingKey<G1Affine> {
        self.halo2(EvaluationDomain::new(DEGREE as u32, self.k))
    }

    fn halo2(&self, domain: EvaluationDomain<Fr>) -> plonk::VerifyingKey<G1Affine> {
        let mut cs = ConstraintSystem::default();
        let _ = Machine::configure(&mut cs, Parameters::of(self.shape));
        assert_eq!(cs.degree(), DEGREE, "the machine's degree is fixed");
        // Without selectors this changes nothing but marks the system as final.
        let (cs, _) = cs.directly_convert_selectors_to_fixed(vec![]);
        let permutation = plonk::permutation::VerifyingKey::from_commitments(self.permutation.clone());
        plonk::VerifyingKey::from_parts(domain, self.fixed.clone(), permutation, cs, vec![], false)
    }

    /// Writes the key file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), KeyError> {
        Ok(artefact::write_atomic(path, Kind::VERIFYING_KEY, FORMAT, &self.encode())?)
    }

    /// Reads a key file: every point is checked to be on the curve.
    ///
    /// # Errors
    /// Not a verifying key, damaged, or of another version.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let payload = artefact::read(path, Kind::VERIFYING_KEY, FORMAT)?;
        Self::decode(&payload).map_err(|e| match e {
            KeyError::Artefact(inner) => KeyError::Artefact(inner.in_file(path)),
            other => other,
        })
    }

    /// The key as the payload of a file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u16(self.shape.version()).u32(self.k).u32(self.lanes as u32).raw(&self.srs_id).bool(self.insecure);
        write_io(&mut out, &self.io);
        out.count(self.fixed.len()).g1_many(&self.fixed);
        out.count(self.permutation.len()).g1_many(&self.permutation);
        out.bool(self.weights.visibility == WeightVisibility::Secret);
        out.count(self.weights.points.len()).g1_many(&self.weights.points);
        out.into_bytes()
    }

    /// Inverse of [`Self::encode`].
    ///
    /// # Errors
    /// Any field that is missing, malformed or out of bounds.
    pub fn decode(payload: &[u8]) -> Result<Self, KeyError> {
        let mut input = Reader::new(payload);
        let version = input.u16("machine version")?;
        let shape = Shape::of_version(version);
        let versions = Shape::ALL.map(|shape| shape.version().to_string()).join(" or ");
        check("machine version", shape.is_some(), version, versions)?;
        let shape = shape.unwrap_or_default();
        let k = input.u32("k")?;
        check("k", (4..=super::MAX_KEY_K).contains(&k), k, "4 to 24")?;
        let lanes = input.u32("weight lanes")? as usize;
        let srs_id = input.array("srsId")?;
        let insecure = input.bool("insecure flag")?;
        let io = read_io(&mut input)?;
        let words = io.words(End::Input) + io.words(End::Output);
        check("public tensors", words < 1 << k, words, "fewer words than rows")?;
        let fixed = points(&mut input, "fixed commitments", shape.fixed())?;
        let permutation = points(&mut input, "permutation commitments", COPY_COLUMNS)?;
        let visibility =
            if input.bool("weight visibility")? { WeightVisibility::Secret } else { WeightVisibility::Public };
        let count = input.count("weight commitments", 64)?;
        check("number of weight lanes", LANES.contains(&lanes), lanes, "1 to 256")?;
        check("number of weight commitments", count == lanes, count, lanes)?;
        let weights = WeightCommitments { visibility, points: input.g1_many("weight commitments", lanes)? };
        let blinded =
            visibility == WeightVisibility::Public || weights.points.iter().all(|p| !bool::from(p.is_identity()));
        check("weight commitments", blinded, "the point at infinity", "blinded points")?;
        input.finish()?;
        Ok(Self { shape, k, lanes, srs_id, insecure, fixed, permutation, io, weights })
    }
}

/// The domain of `2^k` rows with what verification reads of it.
///
/// The backend's constructor makes the tables of its transforms too, gigabytes for a large `k`, which a key from
/// outside may claim. A test compares both.
fn verifier_domain(k: u32) -> EvaluationDomain<Fr> {
    let root = |k: u32| (k..Fr::S).fold(Fr::ROOT_OF_UNITY, |root, _| root.square());
    let inverse = |value: Fr| value.invert().unwrap_or(Fr::ZERO);
    let mut domain = EvaluationDomain::new(DEGREE as u32, 1);
    let extended_k = k + (DEGREE - 1).ilog2();
    (domain.n, domain.k, domain.extended_k) = (1 << k, k, extended_k);
    (domain.omega, domain.extended_omega) = (root(k), root(extended_k));
    (domain.omega_inv, domain.extended_omega_inv) = (inverse(domain.omega), inverse(domain.extended_omega));
    domain.ifft_divisor = inverse(Fr::from(domain.n));
    domain.barycentric_weight = domain.ifft_divisor;
    domain.extended_ifft_divisor = inverse(Fr::from(1 << extended_k));
    domain
}

fn check(field: &'static str, holds: bool, got: impl ToString, expected: impl ToString) -> Result<(), KeyError> {
    if holds {
        return Ok(());
    }
    Err(KeyError::Value { field, got: got.to_string(), expected: expected.to_string() })
}

fn points(input: &mut Reader<'_>, field: &'static str, expected: usize) -> Result<Vec<G1Affine>, KeyError> {
    let count = input.count(field, 64)?;
    check(field, count == expected, count, expected)?;
    Ok(input.g1_many(field, count)?)
}

/// The byte of a visibility in keys and identifiers.
const fn visibility_code(visibility: Visibility) -> u8 {
    match visibility {
        Visibility::Public => 0,
        Visibility::Committed => 1,
        Visibility::Private => 2,
        Visibility::Given => 3,
    }
}

fn read_visibility(input: &mut Reader<'_>) -> Result<Visibility, KeyError> {
    let code = input.u8("visibility of a tensor")?;
    let all = [Visibility::Public, Visibility::Committed, Visibility::Private, Visibility::Given];
    let found = all.into_iter().find(|visibility| visibility_code(*visibility) == code);
    found.ok_or_else(|| KeyError::Value {
        field: "visibility of a tensor",
        got: code.to_string(),
        expected: "0 to 3".into(),
    })
}

fn write_io(out: &mut Writer, io: &IoSpec) {
    for end in [End::Input, End::Output] {
        out.u8(visibility_code(io.interface.of(end)));
        io.of(end).write(out);
    }
}

fn read_io(input: &mut Reader<'_>) -> Result<IoSpec, KeyError> {
    let mut tensor = || Ok::<_, KeyError>((read_visibility(input)?, TensorSpec::read(input)?));
    let ((input, first), (output, second)) = (tensor()?, tensor()?);
    check("visibility of the input", input != Visibility::Given, 3, "0 to 2")?;
    Ok(IoSpec { input: first, output: second, interface: Interface { input, output } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_light_domain_is_the_backend_s() {
        for k in 4..12 {
            let (light, full) = (verifier_domain(k), EvaluationDomain::<Fr>::new(DEGREE as u32, k));
            assert_eq!(format!("{:?}", light.pinned()), format!("{:?}", full.pinned()));
            let fields = |d: &EvaluationDomain<Fr>| {
                let roots = [d.omega, d.omega_inv, d.extended_omega, d.extended_omega_inv];
                (d.n, d.quotient_poly_degree, roots, d.ifft_divisor, d.extended_ifft_divisor, d.barycentric_weight)
            };
            assert_eq!(fields(&light), fields(&full));
            let x = Fr::from(12345);
            let xn = x.pow_vartime([light.n]);
            assert_eq!(light.l_i_range(x, xn, -6..40), full.l_i_range(x, xn, -6..40));
        }
    }
}
