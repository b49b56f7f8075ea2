//! Coefficients of the product polynomials that are no outputs.

use crate::integer::to_field;
use crate::network::{Architecture, NodeId, Op, Term, Trace, Weights};
use crate::program::{Lane, ProductGeometry, Program};
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use std::collections::{BTreeMap, HashMap, HashSet};
use zeroize::Zeroize;

/// Those of each channel by itself.
pub(super) struct Rims {
    layers: BTreeMap<NodeId, HashMap<(usize, i64), i64>>,
}

impl Rims {
    pub(super) fn new(program: &Program, architecture: &Architecture, weights: &Weights, trace: &Trace) -> Self {
        let mut layers: BTreeMap<NodeId, HashMap<(usize, i64), i64>> = BTreeMap::new();
        for row in &program.rows {
            if let Lane::Rim { node, channel, offset, .. } = row.lane {
                layers.entry(node).or_default().insert((channel, offset), 0);
            }
        }
        for (&id, rims) in &mut layers {
            let layer = Layer { architecture, weights, trace, id, geometry: program.geometry[&id] };
            let known: Vec<i64> = rims.keys().filter(|(channel, _)| *channel == 0).map(|(_, offset)| *offset).collect();
            let known = known.into_iter().collect();
            layer.products(&known, &mut |Product { kernel, offset, x, .. }| {
                for (channel, weight) in kernel {
                    *rims.get_mut(&(*channel, offset)).expect("rims are alike everywhere") += weight * x;
                }
            });
            for (channel, offset, accumulator) in layer.outputs() {
                if let Some(value) = rims.get_mut(&(channel, offset)) {
                    *value = accumulator + program.bias_shifts[&id];
                }
            }
        }
        Self { layers }
    }

    pub(super) fn value(&self, node: NodeId, channel: usize, offset: i64) -> i64 {
        self.layers[&node][&(channel, offset)]
    }
}

/// Those that are summed over the channels of a layer with powers of `R`: what they follow from. Memory: the weights of these layers, a number for each product that
/// falls on a rim, and one for each output that is one. Dropping wipes them.
#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct RimSums(Vec<LayerSums>);

#[derive(Clone, PartialEq, Eq)]
struct LayerSums {
    negative: bool,
    /// Exponents of `R`, by channel.
    exponents: Vec<usize>,
    /// Weights of each place in a kernel, by channel.
    kernels: Vec<Vec<(usize, i64)>>,
    /// Row of a rim, number of a kernel, and what that is multiplied with.
    products: Vec<(usize, usize, i64)>,
    /// Row of a rim, channel and value of an output that is one.
    outputs: Vec<(usize, usize, i64)>,
}

impl Drop for LayerSums {
    fn drop(&mut self) {
        self.kernels.iter_mut().flatten().for_each(|(_, weight)| weight.zeroize());
        self.products.iter_mut().chain(&mut self.outputs).for_each(|(_, _, value)| value.zeroize());
    }
}

impl RimSums {
    pub(super) fn new(program: &Program, architecture: &Architecture, weights: &Weights, trace: &Trace) -> Self {
        let mut layers: BTreeMap<NodeId, (bool, HashMap<i64, usize>)> = BTreeMap::new();
        for (at, row) in program.rows.iter().enumerate() {
            if let Lane::RimSum { node, offset, negative } = row.lane {
                layers.entry(node).or_insert((negative, HashMap::new())).1.insert(offset, at);
            }
        }
        let sums = layers.into_iter().map(|(id, (negative, rows))| {
            let geometry = program.geometry[&id];
            let layer = Layer { architecture, weights, trace, id, geometry };
            let channels = architecture.nodes[id].shape[0];
            let exponents = (0..channels).map(|channel| geometry.exponent(channel)).collect();
            let outputs = layer.outputs().filter_map(|(channel, offset, accumulator)| {
                Some((*rows.get(&offset)?, channel, accumulator + program.bias_shifts[&id]))
            });
            let mut sums =
                LayerSums { negative, exponents, kernels: vec![], products: vec![], outputs: outputs.collect() };
            // What falls on an output that is dropped is in its accumulator.
            let dropped: HashSet<usize> = sums.outputs.iter().map(|(row, ..)| *row).collect();
            let known = rows.iter().filter(|(_, row)| !dropped.contains(row)).map(|(offset, _)| *offset).collect();
            let mut last = None;
            layer.products(&known, &mut |Product { place, kernel, offset, x }| {
                if last != Some(place) {
                    last = Some(place);
                    sums.kernels.push(kernel.to_vec());
                }
                sums.products.push((rows[&offset], sums.kernels.len() - 1, x));
            });
            sums
        });
        Self(sums.collect())
    }

    /// Adds each sum to the cell on its row.
    pub(super) fn add_to(&self, cells: &mut [Fr], channel: Fr) {
        for layer in &self.0 {
            let powers: Vec<Fr> = layer.exponents.iter().map(|e| channel.pow_vartime([*e as u64])).collect();
            let fold = |kernel: &Vec<(usize, i64)>| -> Fr {
                kernel.iter().map(|(channel, weight)| powers[*channel] * to_field(*weight)).sum()
            };
            let mut kernels: Vec<Fr> = layer.kernels.iter().map(fold).collect();
            let signed = |value: i64| to_field(if layer.negative { -value } else { value });
            for (row, kernel, x) in &layer.products {
                cells[*row] += kernels[*kernel] * signed(*x);
            }
            for (row, channel, value) in &layer.outputs {
                cells[*row] += powers[*channel] * signed(*value);
            }
            kernels.fill(Fr::ZERO);
        }
    }
}

/// What an element of an operand is multiplied with, and where that falls.
struct Product<'a> {
    /// Place in the kernels, of all terms and operand channels.
    place: usize,
    /// Weights there, by channel.
    kernel: &'a [(usize, i64)],
    offset: i64,
    x: i64,
}

/// An affine layer in an execution.
struct Layer<'a> {
    architecture: &'a Architecture,
    weights: &'a Weights,
    trace: &'a Trace,
    id: NodeId,
    geometry: ProductGeometry,
}

impl Layer<'_> {
    /// Every product that falls on one of the offsets and is not 0. Those of one place in a kernel are one after the other.
    ///
    /// Rims are alike for all inputs, so an offset of the first is one of the others too.
    fn products(&self, offsets: &HashSet<i64>, visit: &mut dyn FnMut(Product<'_>)) {
        let Self { architecture, weights, trace, id, geometry } = *self;
        let ProductGeometry { row_stride: q, input_stride, .. } = geometry;
        let Op::Affine { terms, .. } = &architecture.nodes[id].op else { return };
        let channels = architecture.nodes[id].shape[0];
        let mut place = 0;
        for (term, w) in terms.iter().zip(&weights.layers[&id].terms) {
            let Some(window) = term.window().filter(|_| term.is_polynomial()) else { continue };
            let (plane, [kh, kw]) = (crate::layers::plane(architecture, id, term), window.kernel);
            let [c, h, wd] = architecture.nodes[term.input()].dims().expect("validated");
            let x = &trace.values[term.input()];
            for (ch, a, b) in (0..c).flat_map(|c| (0..kh).flat_map(move |a| (0..kw).map(move |b| (c, a, b)))) {
                let ((al, ta), (be, tb)) = (plane.rows.tap(a), plane.cols.tap(b));
                let mut kernel: Vec<(usize, i64)> = match term {
                    Term::SumPool { factor, .. } => vec![(ch, *factor)],
                    Term::Conv { groups, .. } => {
                        let (outputs, members) = (channels / groups, c / groups);
                        let first = ch / members * outputs;
                        let weight = |o: usize| w[((o * members + ch % members) * kh + a) * kw + b];
                        (first..first + outputs).map(|o| (o, weight(o))).collect()
                    }
                    _ => continue,
                };
                for i in (al..h).step_by(plane.rows.stride) {
                    for j in (be..wd).step_by(plane.cols.stride) {
                        let offset = ((i / plane.rows.stride) as i64 - ta) * q + (j / plane.cols.stride) as i64 - tb;
                        if !offsets.contains(&offset) {
                            continue;
                        }
                        for (input, x) in x.chunks(c * h * wd).enumerate() {
                            let x = x[(ch * h + i) * wd + j];
                            if x != 0 {
                                let offset = offset + input as i64 * input_stride;
                                visit(Product { place, kernel: &kernel, offset, x });
                            }
                        }
                    }
                }
                kernel.iter_mut().for_each(|(_, weight)| weight.zeroize());
                place += 1;
            }
        }
    }

    /// Channel, offset and accumulator of each output.
    fn outputs(&self) -> impl Iterator<Item = (usize, i64, i64)> + '_ {
        let ProductGeometry { row_stride: q, input_stride, .. } = self.geometry;
        let [c, h, w] = self.architecture.nodes[self.id].dims().expect("validated");
        self.trace.accumulators[self.id].iter().enumerate().map(move |(index, accumulator)| {
            let (input, channel) = (index / (h * w) / c, index / (h * w) % c);
            let offset = (index / w % h) as i64 * q + (index % w) as i64 + input as i64 * input_stride;
            (channel, offset, *accumulator)
        })
    }
}
