//! Consistency of an architecture and of weights with it.

use super::{Architecture, Node, NodeId, Op, Term, Weights, Window, affine_quotients, storage};
use crate::error::NetworkError;
use crate::integer::{Function, Interval, MAX_DOMAIN, MAX_SHIFT, MIN_SHIFT};
use crate::packing::Packing;
use std::collections::BTreeSet;

/// Most integers in a tensor's range or a published quotient interval.
const MAX_INTERVAL: u64 = 1 << 24;
/// Most elements a tensor may have.
const MAX_ELEMENTS: usize = 1 << 26;
/// Most axes of a tensor.
pub const MAX_AXES: usize = 8;
/// Most nodes, and most terms of all layers.
const MAX_NODES: usize = 1 << 15;
/// Most weights of one term.
const MAX_WEIGHTS: u128 = 1 << 32;
/// Largest kernel side, stride, padding and dilation; keeps every position product far from overflow.
const MAX_GEOMETRY: usize = 1 << 12;
/// Most quotients of all formulas together.
const MAX_QUOTIENTS: u64 = 1 << 25;

pub(super) fn architecture(a: &Architecture) -> Result<(), NetworkError> {
    let parameter = |node: &str, what: String| NetworkError::Parameter { node: node.into(), what };
    if !(MIN_SHIFT..=MAX_SHIFT).contains(&a.shift) {
        return Err(parameter("-", format!("shift is {}, allowed are {MIN_SHIFT} to {MAX_SHIFT}", a.shift)));
    }
    let inputs = a.nodes.iter().filter(|n| n.op == Op::Input).count();
    if inputs != 1 || a.nodes[0].op != Op::Input || a.output >= a.nodes.len() {
        return Err(parameter("-", "the first node, and only it, is the input; the output is a node".into()));
    }
    let terms = |node: &Node| if let Op::Affine { terms, .. } = &node.op { terms.len() } else { 0 };
    let most = a.nodes.len().max(a.nodes.iter().map(terms).sum());
    if most > MAX_NODES {
        return Err(parameter("-", format!("{most} nodes or terms, allowed are {MAX_NODES}")));
    }
    formulas(a)?;
    for (id, node) in a.nodes.iter().enumerate() {
        if let Some(&operand) = node.op.inputs().iter().find(|&&i| i >= id) {
            return Err(NetworkError::Operand { node: node.name.clone(), operand });
        }
        tensor(node)?;
        operator(a, node)?;
    }
    Ok(())
}

/// Every formula can be in a table. Each is evaluated once, and all of them on no more than [`MAX_QUOTIENTS`] quotients.
fn formulas(a: &Architecture) -> Result<(), NetworkError> {
    let (mut seen, mut left) = (BTreeSet::new(), MAX_QUOTIENTS);
    for node in &a.nodes {
        let Op::Affine { activation, .. } = &node.op else { continue };
        if !seen.insert(activation.function) {
            continue;
        }
        let parameter = |what: String| NetworkError::Parameter { node: node.name.clone(), what };
        if let Function::Formula { domain, .. } = activation.function {
            let after =
                if domain.lo <= domain.hi { left.checked_sub(domain.len().min(MAX_DOMAIN)) } else { Some(left) };
            left = after.ok_or_else(|| {
                parameter(format!("the formulas up to here have more than {MAX_QUOTIENTS} quotients"))
            })?;
        }
        if !activation.is_sound() {
            return Err(parameter(format!("a formula is finite on its domain of at most {MAX_DOMAIN} quotients")));
        }
    }
    Ok(())
}

fn tensor(node: &Node) -> Result<(), NetworkError> {
    let parameter = |what: String| Err(NetworkError::Parameter { node: node.name.clone(), what });
    let count = node.shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    if !matches!(count, Some(1..=MAX_ELEMENTS)) || !(1..=MAX_AXES).contains(&node.shape.len()) {
        let shape = &node.shape;
        return parameter(format!("shape {shape:?} must have 1 to {MAX_AXES} axes and {MAX_ELEMENTS} elements"));
    }
    interval(node, "range", node.range)?;
    if !Packing::encodes(node.range) {
        return parameter(format!("range {:?} exceeds 16 bits", node.range));
    }
    Ok(())
}

fn interval(node: &Node, what: &str, value: Interval) -> Result<(), NetworkError> {
    let limit = 1i64 << 40;
    let ordered = -limit <= value.lo && value.lo <= value.hi && value.hi <= limit;
    if ordered && value.len() <= MAX_INTERVAL {
        return Ok(());
    }
    Err(NetworkError::Parameter {
        node: node.name.clone(),
        what: format!("{what} {value:?} must be ordered and hold at most {MAX_INTERVAL} integers"),
    })
}

fn operator(a: &Architecture, node: &Node) -> Result<(), NetworkError> {
    match &node.op {
        Op::Input => Ok(()),
        Op::Affine { terms, activation, quotient } => {
            interval(node, "quotient", *quotient)?;
            let limit = 1i64 << (61 - a.shift);
            let window = activation.window();
            if [quotient.lo, window.lo].iter().any(|lo| *lo < -limit)
                || [quotient.hi, window.hi].iter().any(|hi| *hi > limit)
            {
                return Err(NetworkError::Overflow { node: node.name.clone() });
            }
            if terms.is_empty() || !node.range.covers(&activation.range) || activation.range.is_empty() {
                return Err(NetworkError::Parameter {
                    node: node.name.clone(),
                    what: "an affine layer has a term, and saturates inside its range".into(),
                });
            }
            terms.iter().try_for_each(|term| check_term(a, node, term, terms.len()))
        }
        Op::MaxPool { input, kernel } => {
            let expected = pooled(node, &a.nodes[*input], *kernel)?;
            same_range(node, &a.nodes[*input])?;
            same_shape(node, &expected)
        }
        Op::Reshape { input } => {
            same_range(node, &a.nodes[*input])?;
            let expected = a.nodes[*input].len();
            if node.len() == expected { Ok(()) } else { same_shape(node, &[expected]) }
        }
        Op::Transpose { input, permutation } => {
            same_range(node, &a.nodes[*input])?;
            let shape = &a.nodes[*input].shape;
            let mut sorted = permutation.clone();
            sorted.sort_unstable();
            if sorted != (0..shape.len()).collect::<Vec<_>>() {
                return Err(NetworkError::Parameter {
                    node: node.name.clone(),
                    what: format!("{permutation:?} is no permutation of {} axes", shape.len()),
                });
            }
            same_shape(node, &permutation.iter().map(|&p| shape[p]).collect::<Vec<_>>())
        }
        Op::Take { input, axis, indices, fill } => take(node, &a.nodes[*input], *axis, indices, *fill),
        Op::Concat { inputs, axis } => concat(a, node, inputs, *axis),
        Op::BeforeMax { input, maximum } => before_max(a, node, *input, *maximum),
    }
}

fn take(node: &Node, operand: &Node, axis: usize, indices: &[Option<usize>], fill: i64) -> Result<(), NetworkError> {
    let parameter = |what: String| Err(NetworkError::Parameter { node: node.name.clone(), what });
    let Some(&length) = operand.shape.get(axis) else {
        return parameter(format!("axis {axis} of a tensor of {} axes", operand.shape.len()));
    };
    if let Some(index) = indices.iter().flatten().find(|index| **index >= length) {
        return parameter(format!("index {index} on an axis of {length} elements"));
    }
    same_range(node, operand)?;
    if indices.contains(&None) && !node.range.contains(fill) {
        return parameter(format!("the fill value {fill} lies outside the range {:?}", node.range));
    }
    let mut expected = operand.shape.clone();
    expected[axis] = indices.len();
    same_shape(node, &expected)
}

fn concat(a: &Architecture, node: &Node, inputs: &[NodeId], axis: usize) -> Result<(), NetworkError> {
    let [first, rest @ ..] = inputs else {
        return Err(NetworkError::Parameter { node: node.name.clone(), what: "no operand to concatenate".into() });
    };
    let mut expected = a.nodes[*first].shape.clone();
    if axis >= expected.len() {
        return Err(NetworkError::Parameter {
            node: node.name.clone(),
            what: format!("axis {axis} of tensors of {} axes", expected.len()),
        });
    }
    for input in inputs {
        same_range(node, &a.nodes[*input])?;
    }
    for input in rest {
        let shape = &a.nodes[*input].shape;
        let fits = shape.len() == expected.len() && (0..shape.len()).all(|i| i == axis || shape[i] == expected[i]);
        if !fits {
            return Err(NetworkError::Shape {
                node: node.name.clone(),
                expected: format!("an operand like {expected:?} but on axis {axis}"),
                got: format!("{shape:?}"),
            });
        }
        expected[axis] = expected[axis].saturating_add(shape[axis]);
    }
    same_shape(node, &expected)
}

/// The maximum is the max-pool of the rows of the very tensor that is searched.
fn before_max(a: &Architecture, node: &Node, input: NodeId, maximum: NodeId) -> Result<(), NetworkError> {
    let wrong = |what: &str| Err(NetworkError::Parameter { node: node.name.clone(), what: what.into() });
    let [rows, length] = a.nodes[input].shape[..] else { return wrong("the operand is [rows, n]") };
    let Op::MaxPool { input: pooled, kernel } = a.nodes[maximum].op else {
        return wrong("the maximum is a max-pool of the operand's rows");
    };
    if storage(a, pooled) != storage(a, input) || a.nodes[pooled].shape != [1, rows, length] || kernel != [1, length] {
        return wrong("the maximum is a max-pool of the operand's rows");
    }
    if node.range != Interval::new(0, 1) {
        return wrong("the range is 0 to 1");
    }
    same_shape(node, &[rows, length])
}

fn check_term(a: &Architecture, node: &Node, term: &Term, terms: usize) -> Result<(), NetworkError> {
    let operand = &a.nodes[term.input()];
    weight_limit(node, operand, term)?;
    let elementwise = |operand: &Node| {
        if node.len() == operand.len() { Ok(()) } else { same_shape(node, &operand.shape) }
    };
    match term {
        Term::Dense { .. } => same_shape(node, &[node.len()]),
        Term::Conv { window, groups, .. } => {
            let channels = [node.shape[0], operand.shape[0]];
            if *groups == 0 || channels.iter().any(|c| c % groups != 0) || (*groups > 1 && terms > 1) {
                return Err(NetworkError::Parameter {
                    node: node.name.clone(),
                    what: format!("{groups} groups divide the channels, and stand in a layer of one term"),
                });
            }
            windows_shape(node, operand, window, node.shape[0])
        }
        Term::Scale { .. } => elementwise(operand),
        Term::SumPool { window, .. } => windows_shape(node, operand, window, operand.shape[0]),
        Term::Product { right, .. } => elementwise(operand).and_then(|()| elementwise(&a.nodes[*right])),
    }
}

/// No weight tensor exceeds [`MAX_WEIGHTS`], so that every count fits.
fn weight_limit(node: &Node, operand: &Node, term: &Term) -> Result<(), NetworkError> {
    let count = match term {
        Term::Dense { .. } => node.len() as u128 * operand.len() as u128,
        Term::Conv { window, groups, .. } => {
            let channels = node.shape[0] as u128 * (operand.shape[0] / (*groups).max(1)) as u128;
            channels * window.kernel.iter().map(|k| *k.min(&MAX_GEOMETRY) as u128).product::<u128>()
        }
        Term::Scale { .. } | Term::SumPool { .. } | Term::Product { .. } => 0,
    };
    if count <= MAX_WEIGHTS {
        return Ok(());
    }
    Err(NetworkError::Parameter {
        node: node.name.clone(),
        what: format!("a term of {count} weights; at most {MAX_WEIGHTS} are allowed"),
    })
}

fn windows_shape(node: &Node, operand: &Node, window: &Window, channels: usize) -> Result<(), NetworkError> {
    let sizes = window.kernel.iter().chain(&window.strides).chain(&window.dilations);
    let three = node.shape.len() == 3 && operand.shape.len() == 3;
    let sound = three
        && sizes.clone().all(|v| (1..=MAX_GEOMETRY).contains(v))
        && window.pads.iter().all(|p| *p <= MAX_GEOMETRY);
    let counts = if sound { [0, 1].map(|axis| window.count(axis, operand.shape[axis + 1])) } else { [None; 2] };
    let [Some(oh), Some(ow)] = counts else {
        return Err(NetworkError::Parameter {
            node: node.name.clone(),
            what: format!("windows {window:?} over {:?} are none or too large", operand.shape),
        });
    };
    same_shape(node, &[channels, oh, ow])
}

fn pooled(node: &Node, operand: &Node, kernel: [usize; 2]) -> Result<Vec<usize>, NetworkError> {
    match operand.shape[..] {
        [c, h, w] if kernel.iter().all(|k| (1..=MAX_GEOMETRY).contains(k)) && h >= kernel[0] && w >= kernel[1] => {
            Ok(vec![c, h / kernel[0], w / kernel[1]])
        }
        _ => Err(NetworkError::Parameter {
            node: node.name.clone(),
            what: format!("window {kernel:?} does not fit operand {:?}", operand.shape),
        }),
    }
}

fn same_range(node: &Node, operand: &Node) -> Result<(), NetworkError> {
    if node.range == operand.range {
        return Ok(());
    }
    Err(NetworkError::Parameter {
        node: node.name.clone(),
        what: format!("range {:?} must be the operand's {:?}", node.range, operand.range),
    })
}

fn same_shape(node: &Node, expected: &[usize]) -> Result<(), NetworkError> {
    if node.shape == expected {
        return Ok(());
    }
    Err(NetworkError::Shape {
        node: node.name.clone(),
        expected: format!("{expected:?}"),
        got: format!("{:?}", node.shape),
    })
}

pub(super) fn weights(a: &Architecture, weights: &Weights) -> Result<(), NetworkError> {
    for (id, node) in a.nodes.iter().enumerate() {
        let Op::Affine { terms, quotient, .. } = &node.op else { continue };
        counts(a, id, terms, weights)?;
        let bound = affine_quotients(a, id, &weights.layers[&id])?;
        if !quotient.covers(&bound) {
            return Err(NetworkError::QuotientBound {
                node: node.name.clone(),
                lo: bound.lo,
                hi: bound.hi,
                declared_lo: quotient.lo,
                declared_hi: quotient.hi,
            });
        }
    }
    Ok(())
}

fn counts(a: &Architecture, id: NodeId, terms: &[Term], weights: &Weights) -> Result<(), NetworkError> {
    let node = &a.nodes[id];
    let check = |tensor: String, expected: usize, got: usize| {
        if expected == got {
            return Ok(());
        }
        Err(NetworkError::WeightCount { node: node.name.clone(), tensor, expected, got })
    };
    let Some(layer) = weights.layers.get(&id) else {
        return check("the layer".into(), node.shape[0], 0);
    };
    check("the bias".into(), node.shape[0], layer.bias.len())?;
    check("the list of terms".into(), terms.len(), layer.terms.len())?;
    for (i, (term, w)) in terms.iter().zip(&layer.terms).enumerate() {
        check(format!("term {i}"), a.term_weights(id, term), w.len())?;
    }
    Ok(())
}
