//! From a float graph to an exact integer network.
//!
//! Spec: `docs/spec/network.md`. The steps, a file each:
//!
//! ```text
//! samples    what the network is calibrated on, from memory or NumPy files
//! hoist      a last rewrite of the float graph
//! plan       which float nodes become one integer node; no numbers yet
//! calibrate  the extent of every tensor over the samples
//! classes    which tensors share a range and a scale
//! lower      scales, integer weights, published bounds
//! report     the integer network against the float graph
//! target     what a search has to reach
//! search     the cheapest options that reach it
//! evaluation the integer network on its task, without the graph
//! ```
//!
//! The model is a function of the graph, the measured ranges and the options: only `+ - * /` and rounding of `f64` are
//! used, which IEEE 754 fixes, and for tables the pinned `libm`.

mod arrays;
mod calibrate;
mod classes;
mod error;
mod evaluation;
mod exact;
mod hoist;
mod lower;
mod plan;
mod report;
mod samples;
mod search;
mod target;

pub use error::{QuantiseError, SampleError};
pub use evaluation::{ClassCount, ConfusionCell, Evaluation, Labelled, evaluate_model};
pub use report::{Accuracy, Fit, LayerReport, Loss, Report, TensorReport, evaluate};
pub use samples::{Samples, load_array, load_labels, load_tensor};
pub use search::{Candidate, Explanation, Fixed, PlannedCost, Tuner, search};
pub use target::Target;

use crate::{graph::Graph, model::Model};
use inferproof_circuits::integer::{MAX_SHIFT, MIN_SHIFT};
use plan::Plan;
use sha3::{Digest, Keccak256};

/// How to quantise. The defaults are in [`QuantiseOptions::default`] and nowhere else.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantiseOptions {
    /// Width of every activation tensor in bits, 4 to 16: `[0, 2^b - 1]` where no value is negative, else
    /// `[-(2^(b-1) - 1), 2^(b-1) - 1]`.
    pub activation_bits: u32,
    /// Every affine layer divides by `2^shift`, 4 to 40. A weight is off by half a unit of `2^-shift`, so a shift below
    /// `activation_bits` costs accuracy.
    pub shift: u32,
    /// Real interval that inputs lie in; `None` takes the extremes of the samples. Inputs outside are moved to the
    /// nearest end of the integer range.
    pub input_range: Option<(f64, f64)>,
    /// Percentage of a hidden tensor's elements (zeros included) whose magnitude its range has to cover, above 50 and
    /// up to 100; `None` covers all that the samples produce.
    pub clip: Option<f64>,
    /// Bits by which published intervals are wider than the weights need, 0 to 8: room for later versions with larger weights. Tables grow with
    /// it.
    pub headroom: u32,
    /// Name of the model, for people.
    pub name: String,
    /// Digest of the file the graph came from, see [`source_digest`]; zeros if there is none.
    pub source_digest: [u8; 32],
}

impl Default for QuantiseOptions {
    fn default() -> Self {
        Self {
            activation_bits: 8,
            shift: 10,
            input_range: None,
            clip: None,
            headroom: 0,
            name: "model".into(),
            source_digest: [0; 32],
        }
    }
}

impl QuantiseOptions {
    fn check(&self) -> Result<(), QuantiseError> {
        let fault = |option, expected, got: String| Err(QuantiseError::Option { option, expected, got });
        if !(4..=16).contains(&self.activation_bits) {
            return fault("activation_bits (--bits)", "4 to 16", self.activation_bits.to_string());
        }
        if !(MIN_SHIFT..=MAX_SHIFT).contains(&self.shift) {
            return fault("shift (--shift)", "4 to 40", self.shift.to_string());
        }
        if let Some((lo, hi)) = self.input_range {
            // Far from where a scale or a weight would overflow. A NaN fails every comparison.
            let magnitude = lo.abs().max(hi.abs());
            if !(lo < hi && (1e-30..=1e30).contains(&magnitude)) {
                let expected = "two finite numbers in ascending order, the larger of magnitude 1e-30 to 1e30";
                return fault("input_range", expected, format!("({lo}, {hi})"));
            }
        }
        if self.headroom > 8 {
            return fault("headroom", "0 to 8", self.headroom.to_string());
        }
        match self.clip {
            Some(percent) if !(percent > 50.0 && percent <= 100.0) => {
                fault("clip", "a percentage above 50 and up to 100", percent.to_string())
            }
            _ => Ok(()),
        }
    }
}

/// Keccak-256 of a model file, for [`QuantiseOptions::source_digest`].
#[must_use]
pub fn source_digest(bytes: &[u8]) -> [u8; 32] {
    Keccak256::digest(bytes).into()
}

/// Turns `graph` into an exact integer network, with scales measured on `samples`, and reports how closely the two
/// agree on the same samples.
///
/// The graph is simplified first; nodes keep their names, a fused layer has that of its last linear node. Spec:
/// `docs/spec/network.md#quantisation`.
///
/// Cost: two float and two integer inferences a sample, on all cores.
///
/// # Errors
/// [`QuantiseError`]: an operation without integer form, samples of another shape, a layer that needs too large a
/// weight or lookup table, options out of range.
pub fn quantise(graph: &Graph, samples: &Samples, options: &QuantiseOptions) -> Result<(Model, Report), QuantiseError> {
    options.check()?;
    let plan = Plan::new(graph)?;
    let extents = calibrate::calibrate(&plan.graph, samples, options.clip.is_some())?;
    let model = assemble(&plan, &extents, options)?;
    let report = report::report(&plan, &model, samples)?;
    Ok((model, report))
}

/// Turns `graph` into a new version of an earlier model: the same integer network with other weights, so that both have one program.
///
/// Scales, ranges, tables and published intervals are `earlier`'s; of `options` only the name and the digest count. The report says how well they
/// fit the new network: it was not calibrated for it.
///
/// # Errors
/// As [`quantise`]; [`QuantiseError::OtherNetwork`] for a graph of another form, [`QuantiseError::Outgrown`] for weights that leave a published interval.
pub fn quantise_like(
    graph: &Graph,
    samples: &Samples,
    earlier: &Model,
    options: &QuantiseOptions,
) -> Result<(Model, Report), QuantiseError> {
    options.check()?;
    let plan = Plan::new(graph)?;
    let extents = calibrate::calibrate(&plan.graph, samples, false)?;
    let options = QuantiseOptions { shift: earlier.architecture.shift, clip: None, ..options.clone() };
    let lowered = lower::lower(&plan, &extents, &options, Some(earlier))?;
    if let Some((node, what)) = earlier.architecture.difference(&lowered.architecture) {
        return Err(QuantiseError::OtherNetwork { node, what });
    }
    let architecture = earlier.architecture.clone();
    let model = named(lower::Lowered { architecture, ..lowered }, &options)?;
    let report = report::report(&plan, &model, samples)?;
    Ok((model, report))
}

/// The model of a plan whose tensors have these extents.
fn assemble(plan: &Plan, extents: &[calibrate::Extent], options: &QuantiseOptions) -> Result<Model, QuantiseError> {
    named(exactly(plan, extents, options)?, options)
}

fn named(lowered: lower::Lowered, options: &QuantiseOptions) -> Result<Model, QuantiseError> {
    let lower::Lowered { architecture, weights, scales } = lowered;
    let model = Model {
        name: options.name.clone(),
        source_digest: options.source_digest,
        architecture,
        weights,
        tensor_scales: scales,
    };
    model.validate()?;
    Ok(model)
}

/// Lowers a plan at the least shift, from that of the options on, at which layers that come quantised round exactly.
fn exactly(
    plan: &Plan,
    extents: &[calibrate::Extent],
    options: &QuantiseOptions,
) -> Result<lower::Lowered, QuantiseError> {
    let mut options = options.clone();
    loop {
        match lower::lower(plan, extents, &options, None) {
            Err(QuantiseError::Inexact { needed: Some(needed), .. }) => options.shift = needed,
            result => return result,
        }
    }
}
