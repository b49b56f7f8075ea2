//! Consistency of an architecture and of weights with it.

use super::{Architecture, Node, NodeId, Op, Term, Weights, affine_quotients};
use crate::error::NetworkError;
use crate::integer::{Interval, MAX_SHIFT, MIN_SHIFT};
use crate::packing::Packing;

/// Most integers in a tensor's range or a published quotient interval.
const MAX_INTERVAL: u64 = 1 << 24;
/// Most elements a tensor may have.
const MAX_ELEMENTS: usize = 1 << 26;
/// Most axes of a tensor.
const MAX_AXES: usize = 8;
/// Most weights of one term.
const MAX_WEIGHTS: u128 = 1 << 32;
/// Largest kernel side, stride and padding; keeps every position product far from overflow.
const MAX_GEOMETRY: usize = 1 << 9;

pub(super) fn architecture(a: &Architecture) -> Result<(), NetworkError> {
    let parameter = |node: &str, what: String| NetworkError::Parameter { node: node.into(), what };
    if !(MIN_SHIFT..=MAX_SHIFT).contains(&a.shift) {
        return Err(parameter("-", format!("shift is {}, allowed are {MIN_SHIFT} to {MAX_SHIFT}", a.shift)));
    }
    let inputs = a.nodes.iter().filter(|n| n.op == Op::Input).count();
    if inputs != 1 || a.nodes[0].op != Op::Input || a.output >= a.nodes.len() {
        return Err(parameter("-", "the first node, and only it, is the input; the output is a node".into()));
    }
    for (id, node) in a.nodes.iter().enumerate() {
        if let Some(&operand) = node.op.inputs().iter().find(|&&i| i >= id) {
            return Err(NetworkError::Operand { node: node.name.clone(), operand });
        }
        tensor(node)?;
        operator(a, node)?;
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
            if quotient.lo < -limit || quotient.hi > limit {
                return Err(NetworkError::Overflow { node: node.name.clone() });
            }
            if terms.is_empty() || !node.range.covers(&activation.range) || activation.range.is_empty() {
                return Err(NetworkError::Parameter {
                    node: node.name.clone(),
                    what: "an affine layer has a term, and saturates inside its range".into(),
                });
            }
            terms.iter().try_for_each(|term| check_term(a, node, term))
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
    }
}

fn check_term(a: &Architecture, node: &Node, term: &Term) -> Result<(), NetworkError> {
    let operand = &a.nodes[term.input()];
    weight_limit(node, operand, term)?;
    match term {
        Term::Dense { .. } => same_shape(node, &[node.len()]),
        Term::Conv { kernel, strides, pads, .. } => conv_shape(node, operand, *kernel, *strides, *pads),
        Term::Scale { .. } if node.len() == operand.len() && node.dims().is_some() => Ok(()),
        Term::Scale { .. } => same_shape(node, &operand.shape),
        Term::SumPool { kernel, .. } => {
            let expected = pooled(node, operand, *kernel)?;
            same_shape(node, &expected)
        }
    }
}

/// No weight tensor exceeds [`MAX_WEIGHTS`], so that every count fits.
fn weight_limit(node: &Node, operand: &Node, term: &Term) -> Result<(), NetworkError> {
    let count = match term {
        Term::Dense { .. } => node.len() as u128 * operand.len() as u128,
        Term::Conv { kernel, .. } => {
            let channels = node.shape[0] as u128 * operand.shape[0] as u128;
            channels * kernel[0].min(MAX_GEOMETRY) as u128 * kernel[1].min(MAX_GEOMETRY) as u128
        }
        Term::Scale { .. } | Term::SumPool { .. } => 0,
    };
    if count <= MAX_WEIGHTS {
        return Ok(());
    }
    Err(NetworkError::Parameter {
        node: node.name.clone(),
        what: format!("a term of {count} weights; at most {MAX_WEIGHTS} are allowed"),
    })
}

fn conv_shape(
    node: &Node,
    operand: &Node,
    kernel: [usize; 2],
    strides: [usize; 2],
    pads: [usize; 4],
) -> Result<(), NetworkError> {
    let sizes = kernel.iter().chain(&strides);
    let three = node.shape.len() == 3 && operand.shape.len() == 3;
    let valid = three
        && sizes.clone().all(|v| (1..=MAX_GEOMETRY).contains(v))
        && pads.iter().all(|p| *p <= MAX_GEOMETRY)
        && operand.shape[1] + pads[0] + pads[2] >= kernel[0]
        && operand.shape[2] + pads[1] + pads[3] >= kernel[1];
    if !valid {
        return Err(NetworkError::Parameter {
            node: node.name.clone(),
            what: format!(
                "convolution of {:?} by kernel {kernel:?}, strides {strides:?}, pads {pads:?} is empty or too large",
                operand.shape
            ),
        });
    }
    let oh = (operand.shape[1] + pads[0] + pads[2] - kernel[0]) / strides[0] + 1;
    let ow = (operand.shape[2] + pads[1] + pads[3] - kernel[1]) / strides[1] + 1;
    same_shape(node, &[node.shape[0], oh, ow])
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
