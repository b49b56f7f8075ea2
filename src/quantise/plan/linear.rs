//! Affine layers: which linear nodes one of them takes in.

use super::windows::window;
use super::{Affine, Grid, IntegerConv, PlanFunction, PlanId, PlanOp, PlanTerm, Planner, is_linear};
use crate::graph::{Node, NodeId, Op};
use crate::quantise::error::QuantiseError;
use crate::quantise::exact::reach;
use inferproof_circuits::{formula::Formula, integer::Interval, network::Window};
use ndarray::{ArrayD, Axis};

/// Most elements that are multiplied by a constant each, in a layer of their own.
const MAX_FACTORS: usize = 1 << 14;

/// What still has to be added to an affine layer: the linear form of a node, or its value as it is; or its negative.
struct Pending {
    id: NodeId,
    form: bool,
    negative: bool,
}

impl Planner<'_> {
    /// An affine layer, named after the last linear node in it, else after its function.
    pub(super) fn affine(&mut self, id: NodeId) -> Result<PlanId, QuantiseError> {
        // From the result upwards: to a grid, a function, a linear form; each may be missing.
        let quantise = matches!(self.graph.nodes[id].op, Op::Quantise { .. });
        let is_function = |op: &Op| matches!(op, Op::Relu | Op::Unary(_));
        let top = self.absorbed_operand(id).filter(|&operand| quantise && is_function(&self.graph.nodes[operand].op));
        let top = top.unwrap_or(id);
        let node = &self.graph.nodes[top];
        let function = match (&node.op, node.inputs.first()) {
            (Op::Relu, _) => PlanFunction::Relu,
            (Op::Unary(formula), Some(&argument)) => function(*formula, argument),
            (Op::Restep { shift, .. }, _) => PlanFunction::Restep { shift: i64::from(*shift) },
            _ => PlanFunction::Identity,
        };
        let ends_form = is_function(&node.op) || matches!(node.op, Op::Quantise { .. });
        let root = self.absorbed_operand(top).filter(|_| ends_form).unwrap_or(top);
        let shape = self.affine_shape(root);
        let (terms, bias) = self.linear_form(root, &shape)?;
        let grid = self.grid(id, &terms)?;
        let affine = self.push(id, shape, PlanOp::Affine(Affine { terms, bias, function }));
        self.nodes[affine].name.clone_from(&self.graph.nodes[root].name);
        self.nodes[affine].grid = grid;
        Ok(self.in_shape(id, affine, &self.graph.nodes[id].shape))
    }

    /// The first operand of a node, if the node takes it in.
    fn absorbed_operand(&self, id: NodeId) -> Option<NodeId> {
        self.graph.nodes[id].inputs.first().copied().filter(|&operand| self.is_absorbed(operand))
    }

    /// Step and range that the model itself gives the result of a layer.
    ///
    /// # Errors
    /// Integers under another step whose first step is not known.
    fn grid(&self, id: NodeId, terms: &[PlanTerm]) -> Result<Option<Grid>, QuantiseError> {
        let node = &self.graph.nodes[id];
        match (&node.op, terms) {
            (Op::Quantise { step, lo, hi }, _) => Ok(Some(Grid::new(*step, *lo, *hi))),
            (Op::Restep { from, shift, to }, [term]) => {
                let grid = self.grid_of(term.inputs()[0]).filter(|grid| grid.step == f64::from(*from));
                let Some(Grid { range, .. }) = grid else {
                    return Err(QuantiseError::Unsupported {
                        node: node.name.clone(),
                        operator: "DequantizeLinear",
                        expected: "integers of one known scale and zero point".into(),
                        got: "a tensor of which neither is known".into(),
                        remedy: "quantise the tensor right before it is read as integers",
                    });
                };
                let shift = i64::from(*shift);
                let range = Interval::new(range.lo + shift, range.hi + shift);
                Ok(Some(Grid { step: f64::from(*to), range }))
            }
            (Op::IntegerConv { .. }, [PlanTerm::IntegerConv(conv)]) => Ok(self.grid_of_sums(conv)),
            _ => Ok(None),
        }
    }

    /// The grid of a plan node, seen through nodes that only move elements.
    fn grid_of(&self, id: PlanId) -> Option<Grid> {
        let node = &self.nodes[id];
        let mut moved = node.op.moved().iter().map(|&operand| self.grid_of(operand));
        node.grid.or_else(|| moved.next()?.filter(|first| moved.all(|other| other == Some(*first))))
    }

    /// Sums of integers that are not requantised are themselves a grid, if 16 bits hold all that they can be.
    fn grid_of_sums(&self, conv: &IntegerConv) -> Option<Grid> {
        let step = *conv.steps.first()?;
        let operand = self.grid_of(conv.input)?;
        let row = conv.weights.len() / conv.steps.len();
        let padded = conv.window.pads != [0; 4];
        let most = i64::from(i16::MAX);
        let fits = conv.weights.chunks(row).zip(&conv.bias).all(|(channel, &bias)| {
            let sums = reach(channel, operand.range, padded, bias);
            -most <= sums.lo && sums.hi <= most
        });
        let alike = conv.steps.iter().all(|other| *other == step);
        (fits && alike).then(|| Grid { step, range: Interval::new(-most, most) })
    }

    /// Whether the only reader of a linear node takes it into an affine layer of its own.
    ///
    /// A sum takes no average and no product: the rounding error of a public factor would count once an element. It
    /// takes no layer of several groups either.
    pub(super) fn is_absorbed(&self, id: NodeId) -> bool {
        let op = &self.graph.nodes[id].op;
        let (1, Some(reader)) = (self.uses[id], self.reader[id]) else { return false };
        let reader_op = &self.graph.nodes[reader].op;
        if matches!(op, Op::Relu | Op::Unary(_)) {
            return matches!(reader_op, Op::Quantise { .. });
        }
        if !is_linear(op) {
            return false;
        }
        match reader_op {
            Op::Relu | Op::Unary(_) | Op::Quantise { .. } => true,
            Op::Add | Op::Sub | Op::AddConstant { .. } => {
                is_addable(op) && self.affine_shape(id) == self.affine_shape(reader)
            }
            _ => false,
        }
    }

    /// The shape in which the affine layer of a node is computed: at most three axes, the bias along the first.
    fn affine_shape(&self, id: NodeId) -> Vec<usize> {
        let node = &self.graph.nodes[id];
        match (&node.op, &node.shape[..]) {
            (Op::AddConstant { values }, _) if per_channel(values).is_none() => vec![values.len()],
            (Op::MulConstant { values }, _) => vec![values.len(), 1, 1],
            (Op::ScaleShift { scale, .. }, [c]) if !is_shift(scale) => vec![*c, 1, 1],
            (Op::ScaleShift { scale, .. }, [c, h]) if !is_shift(scale) => vec![*c, *h, 1],
            (_, [c, rest @ ..]) if rest.len() > 2 => vec![*c, rest.iter().product(), 1],
            (_, shape) => shape.to_vec(),
        }
    }

    /// The terms and the bias of a linear node, those of the nodes it absorbs included; a standalone function is its
    /// operand. A worklist, because a file may hold a chain of additions of any length.
    fn linear_form(&mut self, root: NodeId, shape: &[usize]) -> Result<(Vec<PlanTerm>, Vec<f64>), QuantiseError> {
        let (mut terms, mut bias) = (vec![], vec![0.0; shape[0]]);
        let mut pending = vec![Pending { id: root, form: true, negative: false }];
        while let Some(Pending { id, form, negative }) = pending.pop() {
            if !form {
                terms.push(PlanTerm::Scale { input: self.operand(id, shape), negative });
                continue;
            }
            let node = &self.graph.nodes[id];
            let is_sum = match &node.op {
                Op::Add | Op::Sub | Op::AddConstant { .. } | Op::Relu | Op::Unary(_) => true,
                Op::Quantise { .. } | Op::Restep { .. } => true,
                Op::ScaleShift { scale, .. } => is_shift(scale),
                _ => false,
            };
            if is_sum {
                let subtracts = |index: usize| index == 1 && node.op == Op::Sub;
                pending.extend(node.inputs.iter().enumerate().rev().map(|(index, &operand)| Pending {
                    id: operand,
                    form: self.is_absorbed(operand),
                    negative: negative ^ subtracts(index),
                }));
            } else {
                terms.push(self.term(id, shape, negative)?);
            }
            add_bias(&mut bias, &node.op, if negative { -1.0 } else { 1.0 });
        }
        Ok((terms, bias))
    }

    fn operand(&mut self, id: NodeId, shape: &[usize]) -> PlanId {
        self.in_shape(id, self.placed[id], shape)
    }

    /// The term of a node that computes with weights or pools.
    fn term(&mut self, id: NodeId, shape: &[usize], negative: bool) -> Result<PlanTerm, QuantiseError> {
        let node = &self.graph.nodes[id];
        let operand = node.inputs.first().copied().unwrap_or(0);
        let input = self.placed[operand];
        let sign = if negative { -1.0 } else { 1.0 };
        let signed = |w: &f32| sign * f64::from(*w);
        match &node.op {
            Op::Dense { weights, .. } => Ok(PlanTerm::Dense { input, weights: weights.iter().map(signed).collect() }),
            Op::Conv { weights, strides, pads, dilations, groups, .. } => {
                let (_, _, height, width) = weights.dim();
                let window = Window { kernel: [height, width], strides: *strides, pads: *pads, dilations: *dilations };
                Ok(PlanTerm::Conv { input, weights: weights.iter().map(signed).collect(), window, groups: *groups })
            }
            Op::IntegerConv { weights, bias, operand_step, steps, window, groups } => {
                let sign = if negative { -1 } else { 1 };
                Ok(PlanTerm::IntegerConv(IntegerConv {
                    input,
                    operand_step: f64::from(*operand_step),
                    weights: weights.iter().map(|&w| sign * i64::from(w)).collect(),
                    bias: bias.iter().map(|&b| sign * b).collect(),
                    steps: steps.clone(),
                    window: *window,
                    groups: *groups,
                }))
            }
            Op::SumPool { window: pool, divisor } => {
                let window = window(pool, &self.nodes[input].shape, &node.shape);
                Ok(PlanTerm::SumPool { input, window, divisor: sign * f64::from(*divisor) })
            }
            Op::Mul => {
                let right = node.inputs.get(1).copied().unwrap_or(operand);
                Ok(PlanTerm::Product { left: self.operand(operand, shape), right: self.operand(right, shape) })
            }
            Op::ScaleShift { scale, .. } => self.factors(node, operand, shape, scale.iter().map(signed).collect()),
            Op::MulConstant { values } => self.factors(node, operand, shape, values.iter().map(signed).collect()),
            other => Err(QuantiseError::Unsupported {
                node: node.name.clone(),
                operator: other.name(),
                expected: "a linear operation".into(),
                got: other.name().into(),
                remedy: "report this graph: its plan is inconsistent",
            }),
        }
    }

    /// Each channel times a factor of its own: a convolution of one element and as many groups as channels.
    fn factors(
        &mut self,
        node: &Node,
        operand: NodeId,
        shape: &[usize],
        weights: Vec<f64>,
    ) -> Result<PlanTerm, QuantiseError> {
        if weights.len() > MAX_FACTORS {
            return Err(QuantiseError::Unsupported {
                node: node.name.clone(),
                operator: node.op.name(),
                expected: format!("at most {MAX_FACTORS} factors where they cannot be folded into a layer before"),
                got: weights.len().to_string(),
                remedy: "use one factor a channel, after a convolution or a dense layer that nothing else reads",
            });
        }
        let input = self.operand(operand, shape);
        let window = Window { kernel: [1, 1], strides: [1, 1], pads: [0; 4], dilations: [1, 1] };
        Ok(PlanTerm::Conv { input, groups: weights.len(), weights, window })
    }
}

/// Clipping around 0 is where a range ends; any other function is a table.
fn function(formula: Formula, argument: NodeId) -> PlanFunction {
    match formula {
        Formula::Clip { lo, hi } if lo.0 <= 0.0 && hi.0 >= 0.0 => PlanFunction::Clip { lo: lo.0, hi: hi.0 },
        formula => PlanFunction::Formula { formula, argument },
    }
}

/// Whether the node's terms can stand beside others in a layer.
fn is_addable(op: &Op) -> bool {
    match op {
        Op::SumPool { .. } | Op::Mul | Op::MulConstant { .. } | Op::IntegerConv { .. } => false,
        Op::ScaleShift { scale, .. } => is_shift(scale),
        Op::Conv { groups, .. } => *groups == 1,
        _ => true,
    }
}

/// Whether nothing is scaled.
fn is_shift(scale: &[f32]) -> bool {
    scale.iter().all(|factor| *factor == 1.0)
}

/// The values of an [`Op::AddConstant`] by index of axis 0, if they do not vary within one.
fn per_channel(values: &ArrayD<f32>) -> Option<Vec<f32>> {
    values
        .axis_iter(Axis(0))
        .map(|channel| channel.iter().copied().reduce(|a, b| if a == b { a } else { f32::NAN }).filter(|v| !v.is_nan()))
        .collect()
}

fn add_bias(bias: &mut [f64], op: &Op, sign: f64) {
    let mut add = |values: &mut dyn Iterator<Item = &f32>| {
        bias.iter_mut().zip(values).for_each(|(sum, value)| *sum += sign * f64::from(*value));
    };
    match op {
        Op::Dense { bias, .. } | Op::Conv { bias, .. } => add(&mut bias.iter()),
        Op::ScaleShift { shift, .. } => add(&mut shift.iter()),
        Op::AddConstant { values } => match per_channel(values) {
            Some(summands) => add(&mut summands.iter()),
            None => add(&mut values.iter()),
        },
        _ => {}
    }
}
