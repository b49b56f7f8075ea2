//! Weights at the ends of a declared range are accepted, those beyond are refused by the one equality.

use super::*;
use crate::machine::equalities::assert_needed;
use crate::network::{LayerWeights, Term};
use crate::program::Cell;
use crate::testing::{Case, NetworkBuilder, RELU8, SIGNED8, conv};
use crate::witness::phase_zero_of_lane;
use proptest::prelude::*;

fn model(lanes: usize) -> Case {
    let mut b = NetworkBuilder::new(&[1, 5, 6], Interval::new(-9, 9), 41);
    let first = b.affine(&[3, 3, 4], RELU8, vec![conv(0, [3, 3], [1, 1], [0; 4])]);
    let flat = b.reshape(first, &[36]);
    b.affine(&[2], SIGNED8, vec![Term::Dense { input: flat }]);
    b.build(lanes)
}

/// The range program of `model`, with lane `lane` or changed weights for a witness.
fn case(model: &Case, range: WeightRange, lanes: LaneRows) -> Case {
    let program = range_program(&model.program, range).unwrap();
    program.check();
    let phase0 = phase_zero_of_lane(&program, &lanes).unwrap();
    Case { program, phase0, lanes, instance: vec![], ..model.clone() }
}

/// The same with a weight that is outside: its pieces are those of the value that it is off by a multiple of the range's length from.
fn forged(model: &Case, range: WeightRange, row: usize, weight: i64) -> Case {
    let mut lanes = model.lanes.lane(0);
    set(&mut lanes, row, weight);
    let bits = range.bits(is_bias(&model.program, row));
    let half = 1i64 << (bits - 1);
    let mut inside = model.lanes.lane(0);
    set(&mut inside, row, (weight + half).rem_euclid(1 << bits) - half);
    Case { lanes, ..case(model, range, inside) }
}

fn set(lanes: &mut LaneRows, row: usize, weight: i64) {
    match lanes.rows.iter_mut().find(|(at, _)| *at == row) {
        Some((_, lane)) => lane[0] = weight,
        None => lanes.rows.push((row, vec![weight])),
    }
}

#[test]
fn every_lane_of_every_split_is_accepted() {
    for lanes in [1, 2] {
        let model = model(lanes);
        let least = WeightRange::least(&model.program, &model.lanes);
        let wide = WeightRange { weight_bits: least.weight_bits + 3, bias_bits: 30 };
        let same = WeightRange { weight_bits: least.bias_bits, bias_bits: least.bias_bits };
        for range in [least, wide, same] {
            for lane in 0..lanes {
                case(&model, range, model.lanes.lane(lane)).assert_satisfied();
            }
        }
    }
}

#[test]
fn weights_in_more_limbs_than_a_row_holds() {
    // Two limbs are at most 2 (k - 1) bits.
    let mut model = model(2);
    let range = WeightRange { weight_bits: 2 * model.program.k, bias_bits: 40 };
    let wide = case(&model, range, model.lanes.lane(1));
    let pieces = wide.program.rows.iter().filter(|row| matches!(row.lane, Lane::Piece { .. })).count();
    assert!(pieces > 2 * model.lanes.rows.len(), "{pieces}");
    wide.assert_satisfied();
    model.program.k = 6;
    let error = range_program(&model.program, range).unwrap_err();
    assert!(matches!(error, CompileError::RangeTooLarge { k: 6, .. }), "{error}");
}

#[test]
fn the_ends_of_a_range_are_accepted_and_what_is_beyond_is_refused() {
    let model = model(2);
    let least = WeightRange::least(&model.program, &model.lanes);
    let range = WeightRange { bias_bits: 26, ..least };
    let rows: Vec<usize> = model.lanes.rows.iter().map(|(row, _)| *row).collect();
    let bias = *rows.iter().find(|row| is_bias(&model.program, **row)).unwrap();
    let between = (rows[0]..*rows.last().unwrap()).find(|row| !rows.contains(row)).unwrap();
    for (row, what) in [(rows[0], "first"), (*rows.last().unwrap(), "last"), (bias, "bias"), (between, "no weight")] {
        let half = 1i64 << (range.bits(is_bias(&model.program, row)) - 1);
        for inside in [-half, half - 1] {
            forged(&model, range, row, inside).assert_satisfied();
        }
        for outside in [-half - 1, half] {
            assert_needed(&forged(&model, range, row, outside), what);
        }
        let mut lanes = model.lanes.lane(0);
        set(&mut lanes, row, half);
        let program = range_program(&model.program, range).unwrap();
        assert_eq!(phase_zero_of_lane(&program, &lanes).unwrap_err().row, row);
    }
}

/// Where the weights end near the last row, the rest stands before them.
#[test]
fn the_rest_stands_before_the_weights_where_they_end_late() {
    let honest = model(2);
    let range = WeightRange { bias_bits: 26, ..WeightRange::least(&honest.program, &honest.lanes) };
    let (mut late, shift) = (honest.clone(), 90);
    late.program.rows.splice(5..5, vec![Row::default(); shift]);
    late.lanes.rows.iter_mut().for_each(|(row, _)| *row += shift);
    late.program.k = (late.program.rows.len() + RESERVED_ROWS).next_power_of_two().ilog2();
    let last = late.lanes.rows.last().unwrap().0;
    // As few rows as hold the weights: nothing fits after them.
    let spare = (1 << late.program.k) - RESERVED_ROWS - last - 20;
    late.program.rows.splice(5..5, vec![Row::default(); spare]);
    late.lanes.rows.iter_mut().for_each(|(row, _)| *row += spare);
    let first = late.lanes.rows[0].0;
    let program = range_program(&late.program, range).unwrap();
    let before = program.rows[..first].iter().filter(|row| matches!(row.lane, Lane::Piece { .. })).count();
    assert!(before > 0, "pieces of biases stand before the weights");
    case(&late, range, late.lanes.lane(1)).assert_satisfied();
    let half = 1i64 << (range.weight_bits - 1);
    assert_needed(&forged(&late, range, first, half), "first");
}

#[test]
fn the_program_reads_every_weight_of_the_model() {
    let model = model(2);
    let range = WeightRange::least(&model.program, &model.lanes);
    let program = range_program(&model.program, range).unwrap();
    for (row, _) in &model.lanes.rows {
        assert!(program.rows[*row].slot.is_some(), "row {row}");
    }
    assert_eq!(program.instance_words(), 0);
    let last = program.rows.iter().rposition(|row| row.slot.is_some()).unwrap();
    assert_eq!(program.rows[last].product, ProductOp::Product);
    assert!(program.copies().any(|(a, b)| [a, b].contains(&Cell::P(last + 1))), "the sum is compared");
}

#[test]
fn what_cannot_be_declared() {
    let model = model(1);
    for (weight_bits, bias_bits) in [(1, 9), (9, 1), (49, 9), (9, 49)] {
        let error = range_program(&model.program, WeightRange { weight_bits, bias_bits }).unwrap_err();
        assert!(error.to_string().contains("declare 2 to 48"), "{error}");
    }
    let mut b = NetworkBuilder::new(&[1, 4, 4], Interval::new(-9, 9), 1);
    b.max_pool(0, [2, 2]);
    let without = b.build(1);
    assert!(range_program(&without.program, WeightRange { weight_bits: 4, bias_bits: 4 }).is_err());
}

proptest! {
    #[test]
    fn the_least_range_holds_its_weights_and_no_smaller_one_does(weight in -1i64 << 40..1i64 << 40) {
        let mut b = NetworkBuilder::new(&[2], Interval::new(0, 1), 3);
        let layer = b.affine(&[1], SIGNED8, vec![Term::Dense { input: 0 }]);
        b.set_weights(layer, LayerWeights { terms: vec![vec![1, -1]], bias: vec![0] });
        let model = b.build(1);
        let bias = model.lanes.rows.iter().find(|(row, _)| is_bias(&model.program, *row)).unwrap().0;
        let mut lanes = model.lanes.clone();
        set(&mut lanes, bias, weight);
        let least = WeightRange::least(&model.program, &lanes);
        let half = 1i64 << (least.bias_bits - 1);
        prop_assert!((-half..half).contains(&weight));
        prop_assert!(least.bias_bits == 2 || !(-half / 2..half / 2).contains(&weight));
        prop_assert_eq!(least.weight_bits, 2);
    }
}
