//! Which tensors share a range and a scale: those between which elements only move.

use super::{
    QuantiseOptions,
    calibrate::Extent,
    error::QuantiseError,
    lower::scale,
    plan::{Affine, Fill, Grid, Plan, PlanFunction, PlanNode, PlanOp, PlanTerm},
};
use inferproof_circuits::{integer::Interval, packing::Packing};

/// Tensors by class. A class has one or more *sources*, the tensors whose elements are computed.
pub(super) struct Classes {
    /// Class of each plan node.
    of: Vec<usize>,
    classes: Vec<Class>,
}

#[derive(Clone)]
struct Class {
    sources: usize,
    /// Greatest magnitude over all sources.
    magnitude: f64,
    range: Interval,
    /// Whether a unit of a source's value is a unit of the tensor: one integer stands for it.
    integral: bool,
    scale: Option<f64>,
    /// The model's own step, and the node that it is written at.
    grid: Option<(f64, usize)>,
}

impl Classes {
    ///
    /// # Errors
    /// Two grids in one class.
    pub fn new(plan: &Plan, extents: &[Extent], options: &QuantiseOptions) -> Result<Self, QuantiseError> {
        let of = components(plan);
        let (signs, integral) = (never_negative(plan, extents, options), integral(plan));
        let empty =
            Class { sources: 0, magnitude: 0.0, range: range(options, true), integral: true, scale: None, grid: None };
        let mut classes = vec![empty; of.len()];
        for (id, node) in plan.nodes.iter().enumerate().filter(|(_, node)| node.op.moved().is_empty()) {
            let class = &mut classes[of[id]];
            class.sources += 1;
            class.magnitude = class.magnitude.max(magnitude(plan, node, extents, options));
            class.integral &= integral[id];
        }
        for (id, _) in plan.nodes.iter().enumerate().filter(|(id, _)| !signs[*id]) {
            classes[of[id]].range = range(options, false);
        }
        // One integer more, for what was dropped.
        let mut with_drops: Vec<usize> =
            (0..of.len()).filter(|id| plan.nodes[*id].is_drop()).map(|id| of[id]).collect();
        with_drops.sort_unstable();
        with_drops.dedup();
        let mut result = Self { of, classes };
        for (id, node) in plan.nodes.iter().enumerate() {
            if let Some(grid) = &node.grid {
                result.fix(plan, id, grid)?;
            }
        }
        // A tensor that is no such grid would be cut to one.
        for (id, node) in plan.nodes.iter().enumerate().filter(|(_, node)| node.op.moved().is_empty()) {
            if let (Some((_, other)), None) = (result.classes[result.of[id]].grid, node.grid) {
                return Err(QuantiseError::Unsupported {
                    node: node.name.clone(),
                    operator: "QuantizeLinear",
                    expected: format!(
                        "it quantised like `{}`, as elements of both are put together",
                        plan.nodes[other].name
                    ),
                    got: "a tensor that is not quantised".into(),
                    remedy: "quantise all operands of a concatenation",
                });
            }
        }
        with_drops.iter().for_each(|class| result.classes[*class].range.lo -= 1);
        Ok(result)
    }

    /// Gives a class the range and the scale that the model says.
    fn fix(&mut self, plan: &Plan, id: usize, grid: &Grid) -> Result<(), QuantiseError> {
        let class = &mut self.classes[self.of[id]];
        let (range, scale) = (grid.range, 1.0 / grid.step);
        if !Packing::encodes(range) {
            return Err(QuantiseError::Unsupported {
                node: plan.nodes[id].name.clone(),
                operator: "QuantizeLinear",
                expected: "integers that are within 16 bits when the zero point is taken off".into(),
                got: format!("{} to {}", range.lo, range.hi),
                remedy: "use 8-bit integers, or a zero point of 0",
            });
        }
        if let Some((_, other)) = class.grid
            && (class.range, class.scale) != (range, Some(scale))
        {
            return Err(QuantiseError::Unsupported {
                node: plan.nodes[id].name.clone(),
                operator: "QuantizeLinear",
                expected: format!(
                    "the scale and zero point of `{}`, as elements of both are put together",
                    plan.nodes[other].name
                ),
                got: "others".into(),
                remedy: "give all operands of a concatenation one scale and zero point",
            });
        }
        (class.range, class.scale, class.grid) = (range, Some(scale), Some((grid.step, id)));
        Ok(())
    }

    /// Gives the class of a node the range and the scale that an earlier model has.
    pub fn impose(&mut self, id: usize, range: Interval, scale: f64) {
        let class = &mut self.classes[self.of[id]];
        (class.range, class.scale) = (range, Some(scale));
    }

    /// The step of a node's class, if it is the model's own.
    pub fn step(&self, id: usize) -> Option<f64> {
        self.classes[self.of[id]].grid.map(|(step, _)| step)
    }

    /// Range and scale of the class of node `id`.
    pub fn decided(&mut self, id: usize) -> (Interval, f64) {
        self.decide(id, None).expect("a scale without unit always exists")
    }

    /// Range and scale of the class of source `id`: as before if they are decided, else by the class's magnitude. A scale
    /// is a multiple of `unit`, if there is one and the class has no other source.
    ///
    /// # Errors
    /// The scale over the unit, where that is less than 1.
    pub fn decide(&mut self, id: usize, unit: Option<f64>) -> Result<(Interval, f64), f64> {
        let class = &mut self.classes[self.of[id]];
        if let Some(scale) = class.scale {
            return Ok((class.range, scale));
        }
        let mut chosen = scale(class.range.hi as f64, class.magnitude);
        if class.integral && chosen > 1.0 {
            chosen = 1.0;
        }
        if let Some(unit) = unit.filter(|_| class.sources == 1) {
            if chosen < unit {
                return Err(chosen / unit);
            }
            chosen = (chosen / unit).floor() * unit;
        }
        class.scale = Some(chosen);
        Ok((class.range, chosen))
    }
}

/// The least node of each node's class.
fn components(plan: &Plan) -> Vec<usize> {
    let mut of: Vec<usize> = (0..plan.nodes.len()).collect();
    for (id, node) in plan.nodes.iter().enumerate() {
        for &operand in node.op.moved() {
            let (a, b) = (of[id], of[operand]);
            if a != b {
                // Few classes meet; renaming the larger number keeps the least node.
                let (least, other) = (a.min(b), a.max(b));
                of.iter_mut().take(id + 1).filter(|class| **class == other).for_each(|class| *class = least);
            }
        }
    }
    of
}

/// For each tensor whether no input whatever makes one of its elements negative.
fn never_negative(plan: &Plan, extents: &[Extent], options: &QuantiseOptions) -> Vec<bool> {
    let mut signs: Vec<bool> = vec![];
    for node in &plan.nodes {
        let sign = match &node.op {
            PlanOp::Input => options.input_range.map_or(extents[node.source].min >= 0.0, |(lo, _)| lo >= 0.0),
            PlanOp::BeforeMax { .. } => true,
            PlanOp::Affine(affine) => result_is_never_negative(affine, &signs),
            PlanOp::Take { input, fill: Fill::Value(value), .. } => signs[*input] && *value >= 0.0,
            op => op.moved().iter().all(|&operand| signs[operand]),
        };
        signs.push(sign);
    }
    signs
}

fn result_is_never_negative(affine: &Affine, signs: &[bool]) -> bool {
    match affine.function {
        PlanFunction::Relu => true,
        PlanFunction::Clip { lo, .. } => lo == 0.0 || sum_is_never_negative(affine, signs),
        PlanFunction::Formula { formula, .. } => formula.is_non_negative(),
        PlanFunction::Identity | PlanFunction::Restep { .. } => sum_is_never_negative(affine, signs),
        PlanFunction::Drop => signs[affine.terms[0].inputs()[0]],
    }
}

fn sum_is_never_negative(affine: &Affine, signs: &[bool]) -> bool {
    affine.bias.iter().all(|&bias| bias >= 0.0)
        && affine.terms.iter().all(|term| match *term {
            PlanTerm::Scale { input, negative } => !negative && signs[input],
            PlanTerm::SumPool { input, divisor, .. } => divisor > 0.0 && signs[input],
            PlanTerm::Product { left, right } => signs[left] && signs[right],
            PlanTerm::Dense { .. } | PlanTerm::Conv { .. } | PlanTerm::IntegerConv(_) => false,
        })
}

/// For each tensor whether all its elements are whole numbers by their nature: one integer stands for one unit.
fn integral(plan: &Plan) -> Vec<bool> {
    let mut integral: Vec<bool> = vec![];
    for node in &plan.nodes {
        let whole = |value: f64| value.fract() == 0.0;
        let is_integral = match &node.op {
            PlanOp::Input => false,
            PlanOp::BeforeMax { .. } => true,
            PlanOp::Affine(Affine { function: PlanFunction::Formula { formula, .. }, .. }) => formula.is_integral(),
            PlanOp::Affine(Affine { terms, bias, .. }) => {
                let term = |term: &PlanTerm| match *term {
                    PlanTerm::Scale { input, .. } => integral[input],
                    PlanTerm::SumPool { input, divisor, .. } => integral[input] && divisor.abs() == 1.0,
                    PlanTerm::Product { left, right } => integral[left] && integral[right],
                    PlanTerm::Dense { .. } | PlanTerm::Conv { .. } | PlanTerm::IntegerConv(_) => false,
                };
                terms.iter().all(term) && bias.iter().all(|&bias| whole(bias))
            }
            PlanOp::Take { input, fill: Fill::Value(value), .. } => integral[*input] && whole(f64::from(*value)),
            op => op.moved().iter().all(|&operand| integral[operand]),
        };
        integral.push(is_integral);
    }
    integral
}

/// The greatest magnitude that the range of a source's tensor has to hold.
fn magnitude(plan: &Plan, node: &PlanNode, extents: &[Extent], options: &QuantiseOptions) -> f64 {
    let extent = &extents[node.source];
    match (&node.op, options.input_range, options.clip) {
        (PlanOp::Input, Some((lo, hi)), _) => lo.abs().max(hi.abs()),
        // Clipped outputs would tie, and change which class comes first.
        (PlanOp::Affine(_), _, Some(percent)) if node.source != plan.graph.output => extent.percentile(percent),
        _ => extent.magnitude(),
    }
}

fn range(options: &QuantiseOptions, never_negative: bool) -> Interval {
    let bits = options.activation_bits;
    if never_negative {
        return Interval::new(0, (1 << bits) - 1);
    }
    let bound = (1 << (bits - 1)) - 1;
    Interval::new(-bound, bound)
}
