//! What proving costs on this machine, measured once.

use crate::keys::{SetupError, SetupOptions, setup};
use crate::model::Model;
use crate::prove::{ProveError, Prover};
use crate::srs::{Srs, SrsError};
use cpu_time::ProcessTime;
use inferproof_circuits::NetworkError;
use inferproof_circuits::integer::{Activation, Function, Interval};
use inferproof_circuits::interface::Interface;
use inferproof_circuits::layers::compile;
use inferproof_circuits::network::{
    Architecture, LayerWeights, Node, Op, Term, Weights, Window, affine_quotients, published_interval,
};
use inferproof_circuits::plan::ProverCosts;
use inferproof_circuits::program::Layout;
use rand_core::{CryptoRng, RngCore};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Sides of the images that the measured networks take: `2^11` and `2^16` rows.
const SIDES: [usize; 2] = [22, 128];
/// CPU-seconds of a process that does nothing but start, which a measurement inside of one does not see.
const START_SECONDS: f64 = 0.015;
/// Proofs of each; the median counts.
const REPEATS: usize = 3;

/// A machine that cannot be measured, or measurements that cannot be kept.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MachineError {
    /// The network that is measured.
    #[error("the network to be measured cannot be set up: {0}; this is a bug of inferproof")]
    Setup(#[from] SetupError),
    /// A proof of it.
    #[error("the network to be measured cannot be proved: {0}; this is a bug of inferproof")]
    Prove(#[from] ProveError),
    /// The SRS.
    #[error(transparent)]
    Srs(#[from] SrsError),
    /// The network's own rules.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// No room for an SRS.
    #[error("cannot make a temporary folder: {0}")]
    Temporary(std::io::Error),
    /// No folder to keep the measurement in.
    #[error("neither XDG_CONFIG_HOME nor HOME is set; name a file to write to")]
    NoFolder,
    /// The file.
    #[error("{path}: {reason}; run `inferproof calibrate-machine` again")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// Measures proofs of two networks, keys loaded anew for each, which takes some seconds, and returns the line through them.
///
/// # Errors
/// [`MachineError`], none of which a working machine gives.
pub fn measure(mut rng: impl RngCore + CryptoRng) -> Result<ProverCosts, MachineError> {
    let networks: Vec<Model> = SIDES.iter().map(|&side| network(side)).collect::<Result<_, _>>()?;
    let mut points = vec![];
    for model in networks {
        let options = SetupOptions { layout: Some(Layout::direct(8)), ..SetupOptions::default() };
        let k = compile(&model.architecture, Interface::default(), Layout::direct(8)).map_err(SetupError::from)?.k;
        let srs = Srs::development(k, &mut rng)?;
        let input = vec![1; model.architecture.nodes[0].len()];
        let (key, _) = setup(&model, &srs, &options, &mut rng)?;
        let folder = tempfile::tempdir().map_err(MachineError::Temporary)?;
        let file = folder.path().join("srs");
        srs.write(&file)?;
        drop(srs);
        let mut seconds = [0.0; REPEATS];
        for seconds in &mut seconds {
            // As `inferproof prove` does it: the file and the key first.
            let start = ProcessTime::now();
            let prover = Prover::new(key.clone(), &Srs::read_up_to(&file, k)?)?;
            prover.prove(&input, [0; 32], &mut rng)?;
            *seconds = start.elapsed().as_secs_f64();
        }
        seconds.sort_by(f64::total_cmp);
        points.push((f64::from(1u32 << k), seconds[REPEATS / 2]));
    }
    let [(small, fast), (large, slow)] = [points[0], points[1]];
    let seconds_per_row = ((slow - fast) / (large - small)).max(0.0);
    Ok(ProverCosts { seconds: START_SECONDS + (fast - small * seconds_per_row).max(0.0), seconds_per_row })
}

/// A convolution of a few channels over an image, and its ReLU.
fn network(side: usize) -> Result<Model, NetworkError> {
    let node = |name: &str, shape, op| Node { name: name.into(), shape, range: Interval::new(0, 255), op };
    let window = Window { kernel: [3, 3], strides: [1, 1], pads: [1; 4], dilations: [1, 1] };
    let activation = Activation { function: Function::Relu, range: Interval::new(0, 255) };
    let terms = vec![Term::Conv { input: 0, window, groups: 1 }];
    let op = Op::Affine { terms, activation, quotient: Interval::new(-1, 1) };
    let nodes = vec![node("input", vec![1, side, side], Op::Input), node("conv", vec![2, side, side], op)];
    let mut architecture = Architecture { shift: 8, nodes, output: 1 };
    let layer = LayerWeights { terms: vec![(0..18).map(|i| i * 5 - 40).collect()], bias: vec![100, -100] };
    let bound = published_interval(affine_quotients(&architecture, 1, &layer)?);
    if let Op::Affine { quotient, .. } = &mut architecture.nodes[1].op {
        *quotient = bound;
    }
    Ok(Model {
        name: "measured".into(),
        source_digest: [0; 32],
        architecture,
        weights: Weights { layers: BTreeMap::from([(1, layer)]) },
        tensor_scales: vec![1.0; 2],
    })
}

/// Where a machine's costs are kept: `inferproof/machine.json` in the user's folder for settings.
///
/// # Errors
/// [`MachineError::NoFolder`].
pub fn default_path() -> Result<PathBuf, MachineError> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let settings = folder("XDG_CONFIG_HOME").or_else(|| folder("HOME").map(|home| home.join(".config")));
    settings.map(|settings| settings.join("inferproof/machine.json")).ok_or(MachineError::NoFolder)
}

/// Costs from a file, `None` if there is no such file.
///
/// # Errors
/// [`MachineError::File`] for a file of something else.
pub fn load(path: impl AsRef<Path>) -> Result<Option<ProverCosts>, MachineError> {
    let path = path.as_ref();
    let fault = |reason: String| MachineError::File { path: path.to_owned(), reason };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fault(error.to_string())),
    };
    let costs: ProverCosts = serde_json::from_str(&text).map_err(|error| fault(error.to_string()))?;
    let sound = |value: f64| value.is_finite() && (0.0..1e9).contains(&value);
    if !sound(costs.seconds) || !sound(costs.seconds_per_row) {
        return Err(fault("expected numbers that are not negative".into()));
    }
    Ok(Some(costs))
}

/// Writes costs to a file, making its folder if need be.
///
/// # Errors
/// [`MachineError::File`].
pub fn save(costs: &ProverCosts, path: impl AsRef<Path>) -> Result<(), MachineError> {
    let path = path.as_ref();
    let fault = |reason: String| MachineError::File { path: path.to_owned(), reason };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| fault(error.to_string()))?;
    }
    let text = serde_json::to_vec_pretty(costs).map_err(|error| fault(error.to_string()))?;
    crate::artefact::replace_file(path, &[&text], false).map_err(|error| fault(error.to_string()))
}
