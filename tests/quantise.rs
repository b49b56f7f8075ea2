//! Quantisation from outside: accuracy on the fixtures, the exact semantics, the `.ifq` file, and what is refused.

#[path = "quantise/accuracy.rs"]
mod accuracy;
#[path = "quantise/file.rs"]
mod file;
#[path = "quantise/grids.rs"]
mod grids;
#[path = "quantise/naive.rs"]
mod naive;
#[path = "quantise/refused.rs"]
mod refused;
#[path = "quantise/samples.rs"]
mod samples;
#[path = "quantise/structure.rs"]
mod structure;

use inferproof::{
    Interface,
    graph::{Graph, Node, Op, Window},
    model::Model,
    onnx::import_file,
    quantise::{QuantiseOptions, Report, Samples, quantise},
};
use ndarray::ArrayD;
use std::path::{Path, PathBuf};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// Every good fixture, without its ending, sorted.
fn all_fixtures() -> Vec<PathBuf> {
    let mut found = vec![];
    for folder in [fixtures(), fixtures().join("ops")] {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "onnx") {
                found.push(path.with_extension(""));
            }
        }
    }
    found.sort();
    assert!(found.len() > 30, "only {} fixtures", found.len());
    found
}

fn companion(stem: &Path, ending: &str) -> PathBuf {
    let name = stem.file_name().unwrap().to_str().unwrap();
    stem.with_file_name(format!("{name}{ending}"))
}

fn load(stem: &Path) -> (Graph, Samples) {
    let graph = import_file(stem.with_extension("onnx")).unwrap();
    let samples = Samples::load(companion(stem, "_samples.npz"), graph.input_shape()).unwrap();
    (graph, samples)
}

fn quantised(stem: &Path, options: &QuantiseOptions) -> (Graph, Model, Report) {
    let (graph, samples) = load(stem);
    let (model, report) = quantise(&graph, &samples, options).unwrap_or_else(|e| panic!("{}: {e}", stem.display()));
    (graph, model, report)
}

/// A small generator of reproducible numbers (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// From `lo` to `hi`, both included.
    fn between(&mut self, lo: i64, hi: i64) -> i64 {
        lo + (self.next() % (hi - lo + 1) as u64) as i64
    }

    /// From -1 to 1.
    fn real(&mut self) -> f32 {
        self.between(-1 << 20, 1 << 20) as f32 / (1 << 20) as f32
    }

    fn reals(&mut self, shape: &[usize]) -> ArrayD<f32> {
        ArrayD::from_shape_simple_fn(shape, || self.real())
    }
}

/// A float graph, node by node; the last is the output.
struct Sketch {
    graph: Graph,
    numbers: Numbers,
}

impl Sketch {
    fn new(shape: &[usize]) -> Self {
        let input = Node { name: "input".into(), op: Op::Input, inputs: vec![], shape: shape.to_vec() };
        Self { graph: Graph { nodes: vec![input], input: 0, output: 0 }, numbers: Numbers(7) }
    }

    fn push(&mut self, name: &str, op: Op, inputs: &[usize]) -> usize {
        let shapes: Vec<_> = inputs.iter().map(|&id| self.graph.nodes[id].shape.as_slice()).collect();
        let shape = op.result_shape(&shapes, &[]).unwrap();
        self.push_shaped(name, op, inputs, shape)
    }

    fn push_shaped(&mut self, name: &str, op: Op, inputs: &[usize], shape: Vec<usize>) -> usize {
        self.graph.nodes.push(Node { name: name.into(), op, inputs: inputs.to_vec(), shape });
        self.graph.output = self.graph.nodes.len() - 1;
        self.graph.output
    }

    fn conv(&mut self, name: &str, input: usize, out: usize, kernel: usize, stride: usize) -> usize {
        let channels = self.graph.nodes[input].shape[0];
        let weights = self.numbers.reals(&[out, channels, kernel, kernel]).into_dimensionality().unwrap();
        let bias = self.numbers.reals(&[out]).into_dimensionality().unwrap();
        let pad = kernel / 2;
        let (strides, pads) = ([stride; 2], [pad; 4]);
        self.push(name, Op::Conv { weights, bias, strides, pads, dilations: [1; 2], groups: 1 }, &[input])
    }

    fn dense(&mut self, name: &str, input: usize, out: usize) -> usize {
        let length = self.graph.nodes[input].shape[0];
        let weights = self.numbers.reals(&[out, length]).into_dimensionality().unwrap();
        let bias = self.numbers.reals(&[out]).into_dimensionality().unwrap();
        self.push(name, Op::Dense { weights, bias }, &[input])
    }

    fn samples(&mut self, count: usize) -> Samples {
        let shape = self.graph.input_shape().to_vec();
        Samples::new((0..count).map(|_| self.numbers.reals(&shape)).collect(), &shape).unwrap()
    }

    /// Quantises with the defaults on 16 samples and checks that the output is within `steps` of the float one.
    fn quantise(mut self, steps: f64) -> (Model, Report) {
        self.graph.check().unwrap();
        let samples = self.samples(16);
        let (model, report) = quantise(&self.graph, &samples, &QuantiseOptions::default()).unwrap();
        assert!(report.max_abs_error <= steps * report.output_step, "{report}");
        (model, report)
    }
}
