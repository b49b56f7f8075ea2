//! Setup: plan, commit to the program and to the weights.

use super::proving::ProvingKey;
use super::verifying::{IoSpec, VerifyingKey};
use crate::commitment::{Opening, WeightCommitments, WeightVisibility, commit};
use crate::engine::key_commitments;
use crate::model::{Model, place};
use crate::srs::{Srs, SrsError};
use crate::tensor::TensorSpec;
use group::prime::PrimeCurveAffine;
use inferproof_circuits::interface::Interface;
use inferproof_circuits::layers::compile;
use inferproof_circuits::machine::Shape;
use inferproof_circuits::network::{Architecture, NodeId};
use inferproof_circuits::plan::{Cost, Optimise, plan_batch};
use inferproof_circuits::program::{Layout, Program};
use inferproof_circuits::witness::LaneRows;
use inferproof_circuits::{CompileError, NetworkError};
use rand_core::{CryptoRng, RngCore};
use thiserror::Error;

/// A setup that cannot be done.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The model does not fit the machine.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The weights contradict the architecture.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The SRS.
    #[error(transparent)]
    Srs(#[from] SrsError),
    /// Every registered commitment is the point at infinity, which no proof may hold.
    #[error("all weights are zero, so there is nothing to commit to in public; use secret weights")]
    NothingToCommit,
    /// Weights of another network, which is no version of this one.
    #[error(
        "{} has another {what} than the model of the keys, so this is no version of it: quantise it with `--like` the earlier model, or run setup for a program of its own",
        place(node)
    )]
    OtherProgram {
        /// Name of the node, `-` for the model as a whole.
        node: String,
        /// In what it differs.
        what: &'static str,
    },
    /// Another SRS than the key's.
    #[error("the key was made with SRS {expected}, this file is SRS {got}; use the file that setup was given")]
    OtherSrs {
        /// The key's.
        expected: String,
        /// The file's.
        got: String,
    },
}

/// How keys are made.
#[derive(Clone, Copy, Debug, Default)]
pub struct SetupOptions {
    /// Whether the weights stay secret.
    pub visibility: WeightVisibility,
    /// What a verifier sees of input and output.
    pub interface: Interface,
    /// What the plan is to be good at.
    pub optimise: Optimise,
    /// The shape of the machine that is planned for, any if none is named: one verifier contract serves one shape.
    pub shape: Option<Shape>,
    /// A layout to take instead of planning one. It says itself what `optimise`, `shape` and `batch` say otherwise; those then have no effect.
    pub layout: Option<Layout>,
    /// Inputs of one proof: those of several share the rows with weights. 0 is 1. Without effect if there is a `layout`, which has a batch of its own.
    pub batch: usize,
}

/// Plans `model`, commits to its program and weights, and returns the proving key with the costs of all
/// plans considered, the chosen one first.
///
/// `rng` blinds the weight commitments: pass the operating system's.
///
/// Cost: a check of the whole SRS, the fixed commitments, and one MSM over the rows with weights for each lane.
///
/// # Errors
/// The model does not fit, or the SRS is too small; each says what to do.
pub fn setup(
    model: &Model,
    srs: &Srs,
    options: &SetupOptions,
    mut rng: impl RngCore + CryptoRng,
) -> Result<(ProvingKey, Vec<Cost>), SetupError> {
    srs.verify()?;
    model.architecture.validate()?;
    model.architecture.validate_weights(&model.weights)?;
    let (program, costs) = planned(&model.architecture, options)?;
    let lagrange = srs.lagrange(program.k)?;
    let lanes = LaneRows::new(&program, &model.architecture, &model.weights);
    let opening = Opening::fresh(options.visibility, program.layout.lanes, &mut rng);
    let weights = commit(&lanes, program.layout.lanes, lagrange, options.visibility, &opening);
    if weights.points.iter().all(|point| bool::from(point.is_identity())) {
        return Err(SetupError::NothingToCommit);
    }
    let io = io_spec(&model.architecture, &program, [model.input_scale(), model.output_scale()]);
    let verifying = program_key(&program, srs, io, weights)?;
    Ok((ProvingKey { model: model.clone(), layout: program.layout, opening, verifying }, costs))
}

/// The program that [`setup`] makes keys for, and the costs of all that were considered, the chosen one first.
///
/// # Errors
/// A network that does not fit, or not in the layout that the options name.
pub fn planned(architecture: &Architecture, options: &SetupOptions) -> Result<(Program, Vec<Cost>), CompileError> {
    let SetupOptions { visibility, interface, optimise, shape, layout, batch } = *options;
    let (program, costs) = match layout {
        None => plan_batch(architecture, interface, optimise, batch.max(1), shape)?,
        Some(layout) => {
            let program = compile(architecture, interface, layout)?;
            let cost = Cost::of(&program, architecture);
            (program, vec![cost])
        }
    };
    let costs = match visibility {
        WeightVisibility::Secret => costs,
        WeightVisibility::Public => costs.into_iter().map(Cost::with_public_weights).collect(),
    };
    Ok((program, costs))
}

/// Keys for other weights under the same program: a new version of a model. No new circuit, the same `programId`.
///
/// `model` has to be of the network that `key` is of, with the same scales, and its weights within the intervals that `key`'s network publishes:
/// quantise it like the earlier version.
///
/// Cost: one MSM over the rows with weights for each lane.
///
/// # Errors
/// [`SetupError::OtherProgram`], which names the first node that differs; weights that leave the published intervals; the SRS.
pub fn recommit(
    key: &ProvingKey,
    model: &Model,
    srs: &Srs,
    mut rng: impl RngCore + CryptoRng,
) -> Result<ProvingKey, SetupError> {
    key.check_srs(srs)?;
    model.architecture.validate()?;
    let architecture = key.model.architecture.clone();
    if let Some((node, what)) = architecture.difference(&model.architecture) {
        return Err(SetupError::OtherProgram { node, what });
    }
    if model.tensor_scales != key.model.tensor_scales {
        return Err(SetupError::OtherProgram { node: "-".into(), what: "scales of its tensors" });
    }
    // The published intervals are those of the first version: this checks the weights against them.
    architecture.validate_weights(&model.weights)?;
    let program = compile(&architecture, key.verifying.io.interface, key.layout)?;
    let lanes = LaneRows::new(&program, &architecture, &model.weights);
    let visibility = key.verifying.weights.visibility;
    let opening = Opening::fresh(visibility, program.layout.lanes, &mut rng);
    let weights = commit(&lanes, program.layout.lanes, srs.lagrange(program.k)?, visibility, &opening);
    if weights.points.iter().all(|point| bool::from(point.is_identity())) {
        return Err(SetupError::NothingToCommit);
    }
    let verifying = VerifyingKey { weights, ..key.verifying.clone() };
    let model = Model { architecture, ..model.clone() };
    Ok(ProvingKey { model, layout: key.layout, opening, verifying })
}

/// The verifying key of a program: commits to its fixed columns and copies.
pub(crate) fn program_key(
    program: &Program,
    srs: &Srs,
    io: IoSpec,
    weights: WeightCommitments,
) -> Result<VerifyingKey, SetupError> {
    let [fixed, permutation] = key_commitments(program, srs.lagrange(program.k)?);
    Ok(VerifyingKey {
        shape: program.layout.shape,
        k: program.k,
        lanes: program.layout.lanes,
        srs_id: srs.srs_id(),
        insecure: srs.insecure(),
        fixed,
        permutation,
        io,
        weights,
    })
}

/// Input and output of a program, with their scales.
pub(super) fn io_spec(architecture: &Architecture, program: &Program, scales: [f64; 2]) -> IoSpec {
    let tensor = |id: NodeId, packing, scale| {
        let shape = program.layout.tensor_shape(&architecture.nodes[id].shape);
        TensorSpec { shape, packing, scale }
    };
    let [input, output] = scales;
    IoSpec {
        input: tensor(0, program.input, input),
        output: tensor(architecture.output, program.output, output),
        interface: program.interface,
    }
}
