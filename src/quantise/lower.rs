//! From a plan and ranges to scales and integers.

use super::{
    Options,
    calibrate::Extent,
    error::QuantiseError,
    plan::{Affine, Plan, PlanNode, PlanOp, PlanTerm},
};
use inferproof_circuits::{
    integer::{Activation, Function, Interval},
    network::{Architecture, LayerWeights, Node, Op, Term, Weights, affine_quotients, published_interval},
};
use std::collections::BTreeMap;

/// log2 of the greatest weight and public factor.
const MAX_WEIGHT_BITS: u32 = 31;
/// log2 of the greatest bias: that of a weight times the largest activation.
const MAX_BIAS_BITS: u32 = MAX_WEIGHT_BITS + 16;
/// Most integers in a published quotient interval.
const MAX_QUOTIENTS: u64 = 1 << 24;

/// The integer network of a plan.
pub(super) struct Lowered {
    pub architecture: Architecture,
    pub weights: Weights,
    pub scales: Vec<f64>,
}

/// Chooses a scale for every tensor and rounds every weight.
pub(super) fn lower(plan: &Plan, extents: &[Extent], options: &Options) -> Result<Lowered, QuantiseError> {
    let architecture = Architecture { shift: options.shift, nodes: vec![], output: plan.output };
    let lowered = Lowered { architecture, weights: Weights { layers: BTreeMap::new() }, scales: vec![] };
    let mut lowering = Lowering { plan, extents, options, lowered };
    for node in &plan.nodes {
        lowering.push(node)?;
    }
    let lowered = lowering.lowered;
    lowered.architecture.validate()?;
    lowered.architecture.validate_weights(&lowered.weights)?;
    Ok(lowered)
}

struct Lowering<'a> {
    plan: &'a Plan,
    extents: &'a [Extent],
    options: &'a Options,
    lowered: Lowered,
}

impl Lowering<'_> {
    fn push(&mut self, node: &PlanNode) -> Result<(), QuantiseError> {
        match &node.op {
            PlanOp::Input => {
                let (magnitude, non_negative) = self.domain(node);
                let range = self.range(non_negative);
                self.push_node(node, scale(range, magnitude), range, Op::Input);
            }
            PlanOp::Affine(affine) => self.push_affine(node, affine)?,
            PlanOp::MaxPool { input, kernel } => {
                self.push_view(node, *input, Op::MaxPool { input: *input, kernel: *kernel });
            }
            PlanOp::Reshape { input } => self.push_view(node, *input, Op::Reshape { input: *input }),
            PlanOp::Transpose { input, permutation } => {
                self.push_view(node, *input, Op::Transpose { input: *input, permutation: permutation.clone() });
            }
        }
        Ok(())
    }

    fn push_node(&mut self, node: &PlanNode, scale: f64, range: Interval, op: Op) {
        self.lowered.scales.push(scale);
        self.lowered.architecture.nodes.push(Node { name: node.name.clone(), shape: node.shape.clone(), range, op });
    }

    /// Nodes that only select or move elements keep scale and range.
    fn push_view(&mut self, node: &PlanNode, input: usize, op: Op) {
        let (scale, range) = (self.lowered.scales[input], self.lowered.architecture.nodes[input].range);
        self.push_node(node, scale, range, op);
    }

    /// Greatest magnitude of the input, and whether it is never negative.
    fn domain(&self, node: &PlanNode) -> (f64, bool) {
        let extent = &self.extents[node.source];
        self.options
            .input_range
            .map_or((extent.magnitude(), extent.min >= 0.0), |(lo, hi)| (lo.abs().max(hi.abs()), lo >= 0.0))
    }

    fn range(&self, non_negative: bool) -> Interval {
        let bits = self.options.activation_bits;
        if non_negative {
            return Interval::new(0, (1 << bits) - 1);
        }
        let bound = (1 << (bits - 1)) - 1;
        Interval::new(-bound, bound)
    }

    fn push_affine(&mut self, node: &PlanNode, affine: &Affine) -> Result<(), QuantiseError> {
        let range = self.range(affine.relu || self.is_sum_of_non_negatives(affine));
        let extent = &self.extents[node.source];
        let is_output = node.source == self.plan.graph.output;
        let magnitude = match self.options.clip {
            // Clipped outputs would tie, and change which class comes first.
            Some(percent) if !is_output => extent.percentile(percent),
            _ => extent.magnitude(),
        };
        let mut scale = scale(range, magnitude);
        if let [term] = &affine.terms[..] {
            scale = self.exact_scale(node, term, scale)?;
        }
        let (terms, layer) = self.layer(node, affine, scale)?;
        let function = if affine.relu { Function::Relu } else { Function::Identity };
        let id = self.lowered.scales.len();
        // The bound needs the node in place, and the node its published interval.
        let op = Op::Affine { terms, activation: Activation { function, range }, quotient: Interval::new(0, 0) };
        self.push_node(node, scale, range, op);
        let bound = published_interval(affine_quotients(&self.lowered.architecture, id, &layer)?);
        if bound.len() > MAX_QUOTIENTS {
            let (lo, hi, entries) = (bound.lo, bound.hi, bound.len());
            return Err(QuantiseError::WideQuotients {
                node: node.name.clone(),
                lo,
                hi,
                entries,
                limit: MAX_QUOTIENTS,
            });
        }
        if let Op::Affine { quotient, .. } = &mut self.lowered.architecture.nodes[id].op {
            *quotient = bound;
        }
        self.lowered.weights.layers.insert(id, layer);
        Ok(())
    }

    /// Whether the result cannot be negative whatever the input is.
    fn is_sum_of_non_negatives(&self, affine: &Affine) -> bool {
        affine.bias.iter().all(|&bias| bias >= 0.0)
            && affine.terms.iter().all(|term| match term {
                PlanTerm::Scale { input } | PlanTerm::SumPool { input, .. } => {
                    self.lowered.architecture.nodes[*input].range.lo >= 0
                }
                PlanTerm::Dense { .. } | PlanTerm::Conv { .. } => false,
            })
    }

    /// Lowers the scale of a layer whose only term has a public factor to one for which that factor is an integer:
    /// then it is not rounded at all, where a rounded factor of a large pool would be off by percents.
    fn exact_scale(&self, node: &PlanNode, term: &PlanTerm, scale: f64) -> Result<f64, QuantiseError> {
        let window = match term {
            PlanTerm::Scale { .. } => 1.0,
            PlanTerm::SumPool { kernel, .. } => (kernel[0] * kernel[1]) as f64,
            PlanTerm::Dense { .. } | PlanTerm::Conv { .. } => return Ok(scale),
        };
        let unit = self.lowered.scales[term.input()] * window / f64::from(1u32 << self.options.shift);
        let factor = scale / unit;
        if factor < 1.0 {
            let (node, shift) = (node.name.clone(), self.options.shift);
            return Err(QuantiseError::FactorVanishes { node, shift, got: factor });
        }
        Ok(factor.floor() * unit)
    }

    /// Integer terms, weights and bias for a result of scale `scale`.
    fn layer(&self, node: &PlanNode, affine: &Affine, scale: f64) -> Result<(Vec<Term>, LayerWeights), QuantiseError> {
        let one = f64::from(1u32 << self.options.shift);
        let mut terms = vec![];
        let mut matrices = vec![];
        for term in &affine.terms {
            let (term, matrix) = integer_term(node, term, scale / self.lowered.scales[term.input()] * one)?;
            terms.push(term);
            matrices.push(matrix);
        }
        let bias: Result<_, _> =
            affine.bias.iter().map(|&b| round(node, "bias", MAX_BIAS_BITS, b * scale * one)).collect();
        Ok((terms, LayerWeights { terms: matrices, bias: bias? }))
    }
}

/// A term and its weights; `ratio` is `2^shift` times the scale of the result over that of the operand.
fn integer_term(node: &PlanNode, term: &PlanTerm, ratio: f64) -> Result<(Term, Vec<i64>), QuantiseError> {
    let weights = |weights: &[f32]| -> Result<Vec<i64>, QuantiseError> {
        weights.iter().map(|&w| round(node, "weight", MAX_WEIGHT_BITS, f64::from(w) * ratio)).collect()
    };
    // A factor of 0 would drop the operand; 1 is off by no more than a unit, where rounding may be off by half of one.
    let factor = |value| round(node, "factor", MAX_WEIGHT_BITS, value).map(|factor| factor.max(1));
    Ok(match *term {
        PlanTerm::Dense { input, weights: ref w } => (Term::Dense { input }, weights(w)?),
        PlanTerm::Conv { input, weights: ref w, kernel, strides, pads } => {
            (Term::Conv { input, kernel, strides, pads }, weights(w)?)
        }
        PlanTerm::Scale { input } => (Term::Scale { input, factor: factor(ratio)? }, vec![]),
        PlanTerm::SumPool { input, kernel } => {
            let window = (kernel[0] * kernel[1]) as f64;
            (Term::SumPool { input, kernel, factor: factor(ratio / window)? }, vec![])
        }
    })
}

/// The nearest integer, halves away from zero, if its magnitude is at most `2^limit`.
fn round(node: &PlanNode, what: &'static str, limit: u32, value: f64) -> Result<i64, QuantiseError> {
    let rounded = value.round();
    if rounded.abs() <= (1i64 << limit) as f64 {
        return Ok(rounded as i64);
    }
    // The exponent of an f64, plus one to round up; infinity reads as the largest.
    let bits = (((rounded.to_bits() >> 52) & 0x7ff) as u32).saturating_sub(1022);
    Err(QuantiseError::TooLarge { node: node.name.clone(), what, limit, bits })
}

/// Integer units in one real unit, such that `magnitude` is the upper end of the range.
///
/// A tensor that is 0 on all samples says nothing about its scale; 1 is then taken for its magnitude.
fn scale(range: Interval, magnitude: f64) -> f64 {
    let magnitude = if magnitude > 0.0 { magnitude } else { 1.0 };
    range.hi as f64 / magnitude
}
