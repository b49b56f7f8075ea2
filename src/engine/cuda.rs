//! The engine for CUDA devices: everything that a proof is computed from stays on the device; columns go up, points and values come down.

use super::cpu::{permutation_values, usable_rows};
use super::quotient::{Constants, QuotientChallenges};
use super::{COPY_COLUMNS, CircuitData, Domain, Engine, EngineError, PIECES, Shape, SrsPoints, Witness};
use ff::{Field, PrimeField};
use halo2_proofs::halo2curves::bn256::{Fr, G1};
use inferproof_circuits::machine::UNUSABLE_ROWS;
use inferproof_circuits::secret::SecretColumn;
use inferproof_cuda::columns::{self, Copies};
use inferproof_cuda::{Bases, Buffer, Coset, Device, DeviceError, QuotientColumns, QuotientConstants, QuotientShape};
use std::sync::Arc;

/// Part of the free memory that values on the cosets may take, which all proofs of a program share.
const KEPT: usize = 4;

/// Proves on a CUDA device.
#[derive(Clone)]
pub struct CudaEngine {
    device: Arc<dyn Device>,
}

impl std::fmt::Debug for CudaEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CudaEngine({})", self.device.name())
    }
}

/// The points of an SRS on a device.
#[derive(Debug)]
pub struct CudaBases {
    lagrange: Bases,
    powers: Bases,
}

/// What proofs of one program share, on the device.
#[derive(Debug)]
pub struct CudaKey {
    shape: Shape,
    domain: inferproof_cuda::Domain,
    bases: Arc<CudaBases>,
    /// Coefficients of the fixed columns, of the permutation, and of what is 1 on the usable rows.
    shared: Vec<Buffer<Fr>>,
    /// Values of the permutation on the rows.
    names: Vec<Buffer<Fr>>,
    shifts: [Fr; PIECES],
    cosets: Vec<KeyCoset>,
}

/// One of the cosets that the quotient is evaluated on.
#[derive(Debug)]
struct KeyCoset {
    coset: Coset,
    points: Buffer<Fr>,
    /// The Lagrange polynomials of the first and the last usable row.
    lagrange: [Buffer<Fr>; 2],
    /// Values of [`CudaKey::shared`], if they are kept.
    shared: Option<Vec<Buffer<Fr>>>,
}

impl From<DeviceError> for EngineError {
    fn from(error: DeviceError) -> Self {
        match error {
            DeviceError::OutOfMemory { needed } => Self::OutOfMemory { needed },
            other => Self::Failed(other.to_string()),
        }
    }
}

impl CudaEngine {
    /// The device of that number, counted from 0 as the driver does.
    ///
    /// # Errors
    /// [`EngineError::Failed`]: no driver, no such device, or one that the kernels are not for; the message says which.
    pub fn open(ordinal: usize) -> Result<Self, EngineError> {
        Ok(Self::on(Arc::new(inferproof_cuda::Cuda::open(ordinal)?)))
    }

    /// A device of another kind, an emulator for one.
    #[must_use]
    pub fn on(device: Arc<dyn Device>) -> Self {
        Self { device }
    }

    /// What it is, for people.
    #[must_use]
    pub fn name(&self) -> &str {
        self.device.name()
    }

    fn buffers(&self, count: usize, n: usize) -> Result<Vec<Buffer<Fr>>, DeviceError> {
        (0..count).map(|_| Buffer::new(&self.device, n)).collect()
    }

    /// What is the same on a coset for all proofs. Kept are the values of shared polynomials too where memory is plenty.
    fn coset(&self, key: &CudaKey, shift: Fr, keep: bool) -> Result<KeyCoset, DeviceError> {
        let (n, omega) = (key.domain.n(), key.domain.omega());
        let coset = key.domain.coset(shift)?;
        let points = columns::powers(&self.device, shift, omega, n)?;
        let last = omega.pow_vartime([(n - UNUSABLE_ROWS) as u64]);
        let lagrange = [columns::lagrange(&points, shift, Fr::ONE)?, columns::lagrange(&points, shift, last)?];
        let shared = keep.then(|| self.on_coset(key, &refs(&key.shared), &coset)).transpose()?;
        Ok(KeyCoset { coset, points, lagrange, shared })
    }

    /// Values of polynomials on a coset.
    fn on_coset(
        &self,
        key: &CudaKey,
        polynomials: &[&Buffer<Fr>],
        coset: &Coset,
    ) -> Result<Vec<Buffer<Fr>>, DeviceError> {
        let mut values = self.buffers(polynomials.len(), key.domain.n())?;
        key.domain.evaluate_on_coset(polynomials, coset, &mut values.iter_mut().collect::<Vec<_>>())?;
        Ok(values)
    }
}

/// Emulators whose threads run in the order of these seeds; a true device too where the environment asks for it.
#[cfg(test)]
pub(crate) fn devices(seeds: &[u64]) -> Vec<CudaEngine> {
    let emulated = seeds.iter().map(|seed| CudaEngine::on(Arc::new(inferproof_cuda::Emulator::new(*seed))));
    let device = std::env::var_os("INFERPROOF_CUDA_TESTS").map(|_| CudaEngine::open(0).expect("a device"));
    emulated.chain(device).collect()
}

fn refs(buffers: &[Buffer<Fr>]) -> Vec<&Buffer<Fr>> {
    buffers.iter().collect()
}

impl Engine for CudaEngine {
    type Bases = CudaBases;
    type Key = CudaKey;
    type Vector = Buffer<Fr>;

    fn bases(&self, points: SrsPoints<'_>) -> Result<CudaBases, EngineError> {
        let prepare = |points| Bases::new(&self.device, points, None);
        Ok(CudaBases { lagrange: prepare(points.lagrange)?, powers: prepare(points.powers)? })
    }

    fn load(&self, bases: Arc<CudaBases>, circuit: CircuitData) -> Result<CudaKey, EngineError> {
        let host = Domain::new(circuit.k);
        let n = host.n();
        let domain = inferproof_cuda::Domain::new(&self.device, circuit.k, host.omega())?;
        let names = permutation_values(&host, &circuit.permutation);
        let names = names.iter().map(|rows| Buffer::from_slice(&self.device, rows)).collect::<Result<Vec<_>, _>>()?;
        let mut shared = vec![];
        for rows in circuit.fixed {
            let mut column = Buffer::zeros(&self.device, n)?;
            column.write(0, &rows)?;
            shared.push(column);
        }
        for rows in &names {
            let mut column = Buffer::new(&self.device, n)?;
            column.copy_from(0, rows, n)?;
            shared.push(column);
        }
        shared.push(Buffer::from_slice(&self.device, &usable_rows(n))?);
        domain.interpolate(&mut shared.iter_mut().collect::<Vec<_>>())?;
        let shifts = host.cosets(PIECES).try_into().expect("as many as there are pieces");
        let [free, _] = self.device.memory()?;
        let keep = free / KEPT >= PIECES * shared.len() * n * size_of::<Fr>();
        let mut key = CudaKey { shape: circuit.shape, domain, bases, shared, names, shifts, cosets: vec![] };
        for shift in shifts {
            let coset = self.coset(&key, shift, keep)?;
            key.cosets.push(coset);
        }
        Ok(key)
    }

    fn fixed<'a>(&self, key: &'a CudaKey) -> Vec<&'a Buffer<Fr>> {
        key.shared[..key.shape.fixed()].iter().collect()
    }

    fn permutation<'a>(&self, key: &'a CudaKey) -> [&'a Buffer<Fr>; COPY_COLUMNS] {
        std::array::from_fn(|index| &key.shared[key.shape.fixed() + index])
    }

    fn column(&self, _: &CudaKey, rows: SecretColumn) -> Result<Buffer<Fr>, EngineError> {
        Ok(Buffer::from_slice(&self.device, &rows)?)
    }

    fn commit_columns(&self, key: &CudaKey, columns: &[&Buffer<Fr>]) -> Result<Vec<G1>, EngineError> {
        Ok(key.bases.lagrange.msm_many(columns)?)
    }

    fn commit(&self, key: &CudaKey, polynomials: &[&Buffer<Fr>]) -> Result<Vec<G1>, EngineError> {
        Ok(key.bases.powers.msm_many(polynomials)?)
    }

    fn interpolate(&self, key: &CudaKey, mut columns: Vec<Buffer<Fr>>) -> Result<Vec<Buffer<Fr>>, EngineError> {
        key.domain.interpolate(&mut columns.iter_mut().collect::<Vec<_>>())?;
        Ok(columns)
    }

    fn copy_product(
        &self,
        key: &CudaKey,
        columns: [&Buffer<Fr>; COPY_COLUMNS],
        beta: Fr,
        gamma: Fr,
        tail: &[Fr],
    ) -> Result<Buffer<Fr>, EngineError> {
        let names = std::array::from_fn(|index| &key.names[index]);
        let copies = Copies { columns, names, omega: key.domain.omega(), delta: Fr::DELTA, beta, gamma };
        columns::copy_product(&copies, tail)?.ok_or(EngineError::Pole)
    }

    fn quotient(
        &self,
        key: &CudaKey,
        witness: &Witness<Buffer<Fr>>,
        challenges: &QuotientChallenges,
    ) -> Result<[Buffer<Fr>; PIECES], EngineError> {
        let (n, advice, fixed) = (key.domain.n(), key.shape.advice(), key.shape.fixed());
        assert_eq!(witness.advice.len(), advice, "the columns of the key's shape");
        let polynomials: Vec<_> = witness.advice.iter().chain([&witness.instance, &witness.product]).collect();
        let mut pieces = self.buffers(PIECES, n)?;
        // The same memory for all cosets.
        let mut own = self.buffers(polynomials.len(), n)?;
        for ((shift, out), coset) in key.shifts.iter().zip(&mut pieces).zip(&key.cosets) {
            key.domain.evaluate_on_coset(&polynomials, &coset.coset, &mut own.iter_mut().collect::<Vec<_>>())?;
            let computed = match &coset.shared {
                Some(_) => vec![],
                None => self.on_coset(key, &refs(&key.shared), &coset.coset)?,
            };
            let shared = coset.shared.as_ref().unwrap_or(&computed);
            let columns = QuotientColumns {
                advice: &refs(&own[..advice]),
                instance: &own[advice],
                product: &own[advice + 1],
                fixed: &refs(&shared[..fixed]),
                permutation: std::array::from_fn(|index| &shared[fixed + index]),
                usable: &shared[fixed + COPY_COLUMNS],
                points: &coset.points,
                lagrange: coset.lagrange.each_ref(),
            };
            let vanishing = shift.pow_vartime([n as u64]) - Fr::ONE;
            let inverse = vanishing.invert().expect("the cosets share nothing with the domain");
            let constants = constants(key.shape, challenges, inverse);
            inferproof_cuda::quotient(of_kernels(key.shape), &columns, &constants, out)?;
        }
        key.domain.interpolate(&mut pieces.iter_mut().collect::<Vec<_>>())?;
        let mut pieces: [Buffer<Fr>; PIECES] = pieces.try_into().expect("as many as there are");
        columns::pieces(&mut pieces, &key.shifts)?;
        Ok(pieces)
    }

    fn evaluate(&self, _: &CudaKey, queries: &[(&Buffer<Fr>, Fr)]) -> Result<Vec<Fr>, EngineError> {
        Ok(columns::evaluate(queries)?)
    }

    fn combine(
        &self,
        key: &CudaKey,
        terms: &[(Fr, &Buffer<Fr>)],
        linear: Fr,
        top: Fr,
    ) -> Result<Buffer<Fr>, EngineError> {
        Ok(columns::combine(&self.device, key.domain.n(), terms, linear, top)?)
    }

    fn divide(&self, _: &CudaKey, polynomial: &Buffer<Fr>, root: Fr) -> Result<Buffer<Fr>, EngineError> {
        Ok(columns::divide(polynomial, root)?)
    }
}

/// A shape, by the name that it has among kernels.
fn of_kernels(shape: Shape) -> QuotientShape {
    match shape {
        Shape::Single => QuotientShape::Single,
        Shape::Paired => QuotientShape::Paired,
    }
}

/// The constants of the numerator as the kernel takes them.
fn constants(shape: Shape, challenges: &QuotientChallenges, scale: Fr) -> QuotientConstants {
    let Constants { machine, weights, beta, gamma, names, copies } = Constants::new(shape, challenges, scale);
    QuotientConstants {
        channel: machine.channel,
        position: machine.position,
        alpha: machine.alpha,
        lookup_beta: machine.beta,
        weights,
        beta,
        gamma,
        names,
        copies,
    }
}
