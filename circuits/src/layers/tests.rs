//! What is refused before anything is laid out.

use super::*;
use crate::formula::{Formula, Real};
use crate::network::Window;
use crate::program::{Lane, Limbed};
use crate::testing::{NetworkBuilder, RELU8, SIGNED8, conv};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// No network is said to have more rows than it has.
fn assert_least(b: &NetworkBuilder, what: &str) {
    for output in [Visibility::Public, Visibility::Private] {
        let interface = Interface { output, ..Interface::default() };
        for name in ["2", "2:paired", "2:3", "2:3:paired", "2:3:flat", "2:3:flat:paired"] {
            let layout: Layout = name.parse().unwrap();
            let (least, _) = least_rows(&b.architecture, interface, layout);
            let least = least + product_rows(&b.architecture, layout, &Gates::new(&b.architecture, layout));
            let rows = compile(&b.architecture, interface, layout).unwrap().rows.len();
            assert!(least <= rows, "{what}: at least {least} rows, and it has {rows}, {name}");
            assert!(least * 5 > rows, "{what}: {least} of {rows} rows are counted");
        }
    }
}

#[test]
fn the_count_is_a_bound() {
    let pixels = Interval::new(0, 15);
    // Outputs that no window covers are rims.
    for (side, kernel, channels) in [(9, 5, 16), (9, 5, 64), (15, 8, 32)] {
        let mut b = NetworkBuilder::new(&[1, side, side], pixels, 1);
        let first = b.affine(&[channels, side, side], RELU8, vec![conv(0, [1, 1], [1, 1], [0; 4])]);
        b.max_pool(first, [kernel, kernel]);
        assert_least(&b, &format!("{channels} of {side}, {kernel}"));
    }
    // Several terms share their rims.
    let mut b = NetworkBuilder::new(&[2, 8, 8], pixels, 2);
    let terms = (0..4).map(|_| conv(0, [5, 5], [1, 1], [2; 4]));
    b.affine(&[4, 8, 8], SIGNED8, terms.collect());
    assert_least(&b, "four convolutions");
    // One element a channel multiplies as a whole.
    let mut b = NetworkBuilder::new(&[4, 8, 8], pixels, 3);
    let means = Term::SumPool { input: 0, window: Window::tiles([8, 8]), factor: 9 };
    let gate = b.affine(&[4, 1, 1], SIGNED8, vec![means]);
    let rows = b.take(gate, 1, &[Some(0); 8], 0);
    let gate = b.take(rows, 2, &[Some(0); 8], 0);
    b.affine(&[4, 8, 8], RELU8, vec![Term::Product { left: gate, right: 0, factor: 3 }]);
    assert_least(&b, "gated channels");
}

/// Limbs in flat layers alone: the others keep their maxima and their own table.
#[test]
fn limbs_where_there_are_few_values() {
    let mut b = NetworkBuilder::new(&[1, 6, 6], Interval::new(0, 15), 5);
    let first = b.affine(&[2, 6, 6], RELU8, vec![conv(0, [3, 3], [1, 1], [1; 4])]);
    let pooled = b.max_pool(first, [2, 2]);
    let flat = b.reshape(pooled, &[18]);
    let hidden = b.affine(&[4], RELU8, vec![Term::Dense { input: flat }]);
    b.affine(&[2], SIGNED8, vec![Term::Dense { input: hidden }]);
    let layout = Layout { limb: Some(3), limbed: Limbed::Flat, ..Layout::direct(2) };
    let case = b.build_in(layout);
    case.assert_satisfied();
    let nodes = |found: &dyn Fn(&Lane) -> Option<NodeId>| -> BTreeSet<NodeId> {
        case.program.rows.iter().filter_map(|row| found(&row.lane)).collect()
    };
    let inside = nodes(&|lane| if let Lane::Inside { node, .. } = lane { Some(*node) } else { None });
    let below = nodes(&|lane| if let Lane::Below { node, .. } = lane { Some(*node) } else { None });
    assert_eq!((inside, below), (BTreeSet::from([hidden, hidden + 1]), BTreeSet::from([first])));
    let relu = case.program.table.kinds().filter(|(_, kind)| match kind {
        TableKind::Function { activation, .. } => *activation == RELU8,
        _ => false,
    });
    assert_eq!(relu.count(), 2, "a table of all quotients, and one of blocks");
}

/// Rims of many channels are looked at once where they are summed, so that a short description cannot ask for much work.
#[test]
fn summed_rims_do_not_depend_on_the_channels() {
    let rows = |channels: usize| {
        let mut b = NetworkBuilder::new(&[1, 12, 12], Interval::new(0, 15), 4);
        b.affine(&[channels, 1, 1], SIGNED8, vec![conv(0, [12, 12], [1, 1], [0; 4])]);
        let layout = Layout { shape: Shape::Paired, ..Layout::direct(256) };
        let program = compile(&b.architecture, Interface::default(), layout).unwrap();
        program.rows.iter().filter(|row| matches!(row.lane, Lane::RimSum { .. })).count()
    };
    assert_eq!(rows(1), rows(40));
    assert!(rows(1) > 200, "{}", rows(1));
}

/// A gate's channel is one element, or one constant: constants that differ are multiplied one by one.
#[test]
fn constants_that_differ_are_no_gate() {
    for (fills, gated) in [([1, 2], false), ([2, 2], true), ([0, 0], true), ([0, 1], false)] {
        let mut b = NetworkBuilder::new(&[1, 1, 2], Interval::new(0, 15), 6);
        let [first, second] = fills.map(|fill| b.take(0, 2, &[None], fill));
        let constants = b.concat(&[first, second], 2);
        b.affine(&[1, 1, 2], SIGNED8, vec![Term::Product { left: 0, right: constants, factor: 3 }]);
        for shape in Shape::ALL {
            let layout = Layout { shape, ..Layout::direct(2) };
            let pair = Gates::new(&b.architecture, layout).pair([0, constants], [1, 1, 2]);
            assert_eq!(pair.is_some(), gated, "{fills:?}");
            b.clone().build_in(layout).assert_satisfied();
        }
    }
}

/// By the definition, on random tensors that are moved: a gate has one value in each channel, whatever the input is.
#[test]
fn gates_have_one_value_a_channel() {
    let mut rng = StdRng::seed_from_u64(9);
    let (mut gates, mut others) = (0, 0);
    for seed in 0..400 {
        let mut b = NetworkBuilder::new(&[2, 2, 3], Interval::new(0, 9), seed);
        for _ in 0..rng.gen_range(1..5) {
            let shape = b.architecture.nodes.last().unwrap().shape.clone();
            let from = b.architecture.nodes.len() - 1;
            let axis = rng.gen_range(0..3);
            let length = shape[axis];
            let one = rng.gen_range(0..length);
            // One index again and again, any, or none.
            let index = |rng: &mut StdRng, kind: usize| match kind {
                0 => Some(one),
                1 => Some(rng.gen_range(0..length)),
                _ => None,
            };
            let kind = rng.gen_range(0..3);
            let indices: Vec<_> = (0..rng.gen_range(1..4)).map(|_| index(&mut rng, kind)).collect();
            let fill = rng.gen_range(0..3);
            let taken = b.take(from, axis, &indices, fill);
            if rng.gen_bool(0.5) {
                let other = b.take(from, axis, &indices, rng.gen_range(0..3));
                b.concat(&[taken, other], axis);
            }
        }
        let moved = b.architecture.nodes.len() - 1;
        let dims = b.architecture.nodes[moved].dims().unwrap();
        b.affine(&dims, SIGNED8, vec![Term::Product { left: moved, right: moved, factor: 1 }]);
        let plane = dims[1] * dims[2];
        let found = Gates::new(&b.architecture, Layout::direct(2)).pair([moved, moved], dims).is_some();
        // Every element of the input has another value, and in another execution again.
        let is_constant = [3, 5].iter().all(|step| {
            let input: Vec<i64> = (0..12).map(|i| 100 + i * step).collect();
            let values = moved_values(&b.architecture, &input);
            values[moved].chunks(plane).all(|channel| channel.iter().all(|value| *value == channel[0]))
        });
        assert_eq!(found, is_constant && plane > 1, "seed {seed}");
        if found { gates += 1 } else { others += 1 }
    }
    assert!(gates > 40 && others > 40, "{gates} gates, {others} others");
}

/// The values of an input and of the tensors that move its elements.
fn moved_values(architecture: &Architecture, input: &[i64]) -> Vec<Vec<i64>> {
    let mut values: Vec<Vec<i64>> = vec![input.to_vec()];
    for (id, node) in architecture.nodes.iter().enumerate().skip(1).filter(|(_, node)| node.op.moves()) {
        let fill = if let Op::Take { fill, .. } = node.op { fill } else { 0 };
        let from = sources(architecture, id).unwrap();
        values.push(from.iter().map(|from| from.map_or(fill, |(node, index)| values[node][index])).collect());
    }
    values
}

/// A program of `2^k` rows is not refused where `2^k` are allowed, although some of what is described has no rows.
#[test]
fn what_has_no_rows_is_not_counted() {
    let pixels = Interval::new(0, 15);
    let fits = |b: &NetworkBuilder, interface: Interface, what: &str| {
        for name in ["2", "2:paired", "16", "2:3", "2:5:paired", "2:3:flat:paired"] {
            for batch in [1, 3] {
                let layout = Layout { batch, ..name.parse().unwrap() };
                let k = compile(&b.architecture, interface, layout).unwrap().k;
                let program = compile_within(&b.architecture, interface, layout, k);
                program.unwrap_or_else(|error| panic!("{what}, {name}, {batch}: k = {k}, and {error}"));
            }
        }
    };
    let public = Interface::default();
    // Places of a kernel over phases that have no element.
    let mut b = NetworkBuilder::new(&[16, 1, 1], pixels, 1);
    b.affine(&[16, 1, 1], RELU8, vec![conv(0, [3, 3], [2, 2], [1; 4])]);
    fits(&b, public, "phases without elements");
    // Channels that are zero.
    let mut b = NetworkBuilder::new(&[4, 4, 4], pixels, 2);
    let indices: Vec<_> = (0..64).map(|index| (index < 4).then_some(index)).collect();
    let padded = b.take(0, 0, &indices, 0);
    b.affine(&[8, 4, 4], RELU8, vec![conv(padded, [3, 3], [1, 1], [1; 4])]);
    fits(&b, public, "channels of zeros");
    let mut b = NetworkBuilder::new(&[2], pixels, 3);
    let indices: Vec<_> = (0..100).map(|index| (index < 2).then_some(index)).collect();
    let padded = b.take(0, 0, &indices, 0);
    b.affine(&[5], RELU8, vec![Term::Dense { input: padded }]);
    fits(&b, public, "a dense layer of zeros");
    // Elements of one window that share a row.
    let hidden = Interface { input: Visibility::Private, output: Visibility::Private };
    for rows in [20, 44, 66] {
        let mut b = NetworkBuilder::new(&[1, rows, 16], pixels, 4);
        b.max_pool(0, [2, 4]);
        fits(&b, hidden, "a maximum");
    }
    let mut b = NetworkBuilder::new(&[1, 32, 16], pixels, 5);
    let first = b.affine(&[1, 32, 16], RELU8, vec![conv(0, [3, 3], [1, 1], [1; 4])]);
    b.max_pool(first, [2, 4]);
    fits(&b, public, "a maximum of values in limbs");
}

/// What is small to describe and large to lay out is refused before it is laid out: each of these would take minutes, or all memory.
#[test]
fn a_short_description_cannot_ask_for_much_work() {
    let refused = |mut b: NetworkBuilder, what: &str| {
        for node in &mut b.architecture.nodes {
            if let Op::Affine { quotient, .. } = &mut node.op {
                *quotient = Interval::new(-8, 8);
            }
        }
        for shape in Shape::ALL {
            let layout = Layout { shape, ..Layout::direct(4) };
            let refused = compile_within(&b.architecture, Interface::default(), layout, 10).map(|program| program.k);
            let error = refused.expect_err(what);
            let small = matches!(
                error,
                CompileError::TooLarge { .. } | CompileError::Unsupported { .. } | CompileError::Network(_)
            );
            assert!(small, "{what}: {error}");
        }
    };
    let pixels = Interval::new(0, 15);
    let many = |term: &Term| vec![term.clone(); 2000];
    // Products of a tensor that many nodes move: followed once, not for each product.
    let mut b = NetworkBuilder::new(&[1, 2, 1 << 15], pixels, 1);
    let moved = (0..60).fold(0, |moved, _| b.reshape(moved, &[1, 2, 1 << 15]));
    b.affine(&[1, 2, 1 << 15], RELU8, many(&Term::Product { left: moved, right: moved, factor: 1 }));
    refused(b, "products of moved tensors");
    // Large windows over one element, and many of them.
    for kernel in [64, 4096] {
        let mut b = NetworkBuilder::new(&[1, 1, 1], pixels, 2);
        let window = Window { kernel: [kernel; 2], strides: [1; 2], pads: [kernel - 1; 4], dilations: [2; 2] };
        b.affine(&[1, 1, 1], RELU8, many(&Term::SumPool { input: 0, window, factor: 1 }));
        refused(b, "windows larger than their plane");
    }
    // Windows that do not tile their plane, with a phase for each place in the stride.
    let mut b = NetworkBuilder::new(&[1, 512, 512], pixels, 3);
    let window = Window { kernel: [512; 2], strides: [512; 2], pads: [0, 0, 1, 1], dilations: [1; 2] };
    b.affine(&[1, 1, 1], RELU8, many(&Term::SumPool { input: 0, window, factor: 1 }));
    refused(b, "phases of a large stride");
    // One element repeated, and then copied for a polynomial.
    let mut b = NetworkBuilder::new(&[1, 1, 1], pixels, 4);
    let column = b.take(0, 1, &[Some(0); 4096], 0);
    let plane = b.take(column, 2, &[Some(0); 4000], 0);
    b.affine(&[1, 1, 1], RELU8, vec![conv(plane, [1, 1], [4096, 4000], [0; 4])]);
    refused(b, "copies of one element");
    // Zeros, which have no rows: moved, and looked at for many forms.
    let zeros = |b: &mut NetworkBuilder| {
        let column = b.take(0, 1, &[None; 1024], 0);
        b.take(column, 2, &[Some(0); 1000], 0)
    };
    let mut b = NetworkBuilder::new(&[1, 1, 1], pixels, 5);
    (0..40).fold(0, |_, _| zeros(&mut b));
    b.affine(&[1, 1, 1], RELU8, vec![Term::Scale { input: 0, factor: 1 }]);
    refused(b, "zeros that nobody reads");
    let mut b = NetworkBuilder::new(&[1, 1, 1], pixels, 6);
    let plane = zeros(&mut b);
    for stride in 900..999 {
        b.affine(&[1, 2, 1], RELU8, vec![conv(plane, [1, 1], [stride, 1000], [0; 4])]);
    }
    refused(b, "many forms of zeros");
    // Formulas on many quotients.
    let mut b = NetworkBuilder::new(&[1], pixels, 7);
    for from in 0..2000 {
        let (from, domain) = (Real(1000.0 + f64::from(from)), Interval::new(0, 65_535));
        let function = Function::Formula { formula: Formula::GeluTanh, from, to: Real(3.0), domain };
        let activation = Activation { function, range: Interval::new(-8, 8) };
        b.affine(&[1], activation, vec![Term::Scale { input: 0, factor: 1 }]);
    }
    refused(b, "many formulas");
}
