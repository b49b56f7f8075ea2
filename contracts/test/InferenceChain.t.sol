// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {ChainVerifier} from "../ChainVerifier.sol";
import {IInferenceVerifier} from "../IInferenceVerifier.sol";
import {IModelKeys} from "../IModelKeys.sol";
import {InferenceChain} from "../InferenceChain.sol";
import {InferenceTensor} from "../InferenceTensor.sol";
import {MockVerifier} from "./MockVerifier.sol";
import {Test} from "./Vm.sol";

/// @notice The arguments of `InferenceChain.verify` after verifier and chain.
struct Run {
    bytes32[] models;
    bytes input;
    bytes[] boundaries;
    bytes output;
    bytes32 context;
    bytes[] proofs;
}

/// @title Calls the library, so that its errors can be expected
contract ChainCaller {
    /// @notice As `InferenceChain.check`.
    function check(IModelKeys keys, bytes32[] calldata models) external view {
        InferenceChain.check(keys, models);
    }

    /// @notice As `InferenceChain.verify`.
    function verify(IInferenceVerifier verifier, bytes32 chainId, Run calldata run) external view {
        InferenceChain.verify(
            verifier, chainId, run.models, run.input, run.boundaries, run.output, run.context, run.proofs
        );
    }

    /// @notice As `InferenceTensor.id`.
    function tensorId(bytes32 header, bytes calldata commitment) external pure returns (bytes32) {
        return InferenceTensor.id(header, commitment);
    }
}

/// @title Tests of networks in segments and of committed tensors' ids
contract InferenceChainTest is Test {
    address private constant ALICE = address(0xa11ce);
    bytes private constant INPUT = "input";
    bytes private constant OUTPUT = "output";
    bytes32 private constant CONTEXT = "context";

    MockVerifier private _verifier;
    ChainVerifier private _chains;
    ChainCaller private _caller;

    /// @notice A chain verifier on a mock verifier.
    function setUp() external {
        _verifier = new MockVerifier();
        _chains = new ChainVerifier(_verifier);
        _caller = new ChainCaller();
    }

    /// @notice The id of a tensor is a hash of a domain, its header and its point.
    function test_tensorId_hashesHeaderAndPoint() external pure {
        bytes memory point = abi.encode(1, 2);
        bytes32 header = keccak256("header");
        eq(InferenceTensor.id(header, point), keccak256(bytes.concat("inferproof/tensor/1", header, point)));
        // Computed with viem.
        eq(
            InferenceTensor.id(bytes32(uint256(1)), point),
            0xe3380f268887c43171a510eebe6caebeb3ee53c9a1675fd96542ac7677d4782e
        );
    }

    /// @notice A tensor that is not committed has no id.
    function test_tensorId_refusesATensorThatIsNotCommitted() external {
        vm.expectRevert(abi.encodeWithSelector(InferenceTensor.NotCommitted.selector));
        _caller.tensorId(0, abi.encode(1, 2));
        eq(_caller.tensorId("header", abi.encode(1, 2)), InferenceTensor.id("header", abi.encode(1, 2)));
    }

    /// @notice Every bit of the header and of the point counts.
    function testFuzz_tensorId_differsIfAnyBitDiffers(bytes32 header, bytes32 x, bytes32 y, uint256 bit) external pure {
        bit %= 768;
        bytes32 flip = bytes32(1 << (bit % 256));
        // Zero is no header.
        if (header == 0 || header == flip) header = bytes32(uint256(5));
        bytes32 first = InferenceTensor.id(header, abi.encode(x, y));
        if (bit < 256) header ^= flip;
        else if (bit < 512) x ^= flip;
        else y ^= flip;
        no(first == InferenceTensor.id(header, abi.encode(x, y)));
    }

    /// @notice The id of a chain is a hash of a domain, the number of its models, and these in order.
    function test_id_hashesNumberAndModels() external view {
        bytes32[] memory models = new bytes32[](2);
        (models[0], models[1]) = (bytes32(uint256(7)), bytes32(uint256(9)));
        // Computed with viem.
        eq(InferenceChain.id(models), 0x7e909c359376d41f3160b58d546d8d2ae35a752b76fa960de65bcad62e5f9e1b);
        models = new bytes32[](3);
        (models[0], models[1], models[2]) = ("first", "second", "third");
        bytes memory ids = abi.encodePacked(bytes32("first"), bytes32("second"), bytes32("third"));
        bytes32 expected = keccak256(bytes.concat("inferproof/chain/1", hex"00000003", ids));
        eq(InferenceChain.id(models), expected);
        eq(_chains.chainIdOf(models), expected);
    }

    /// @notice Order, number and every model count.
    function test_id_differsForOtherModels() external view {
        bytes32[] memory models = _chain(3).models;
        bytes32 id = InferenceChain.id(models);
        (models[0], models[1]) = (models[1], models[0]);
        no(InferenceChain.id(models) == id);
        (models[0], models[1]) = (models[1], models[0]);
        no(InferenceChain.id(_cut(models, 2)) == id);
        for (uint256 i = 0; i < 3; ++i) {
            models[i] ^= bytes32(uint256(1));
            no(InferenceChain.id(models) == id);
            models[i] ^= bytes32(uint256(1));
        }
        eq(InferenceChain.id(models), id);
    }

    /// @notice Chains of one to three segments are accepted.
    function test_verify_acceptsWhatIsProved() external {
        for (uint256 segments = 1; segments <= 3; ++segments) {
            Run memory run = _proved(segments);
            _accept(run);
            _caller.check(_verifier, run.models);
        }
    }

    /// @notice The end of a chain may be shown in any way: only what passes between segments has to be committed.
    function test_verify_doesNotLookAtTheEnds() external {
        Run memory run = _proved(2);
        _verifier.setHeaders(run.models[0], "an input's", _header(0));
        _verifier.setHeaders(run.models[1], _header(0), "an output's");
        _accept(run);
    }

    /// @notice A chain of no segments says nothing.
    function test_verify_refusesAnEmptyChain() external {
        Run memory run;
        _refuse(run, abi.encodeWithSelector(InferenceChain.EmptyChain.selector));
        vm.expectRevert(abi.encodeWithSelector(InferenceChain.EmptyChain.selector));
        _caller.check(_verifier, run.models);
    }

    /// @notice There is a proof for each segment and a boundary between any two.
    function test_verify_refusesOtherCounts() external {
        for (uint256 segments = 1; segments <= 3; ++segments) {
            for (uint256 boundaries = 0; boundaries < 5; ++boundaries) {
                for (uint256 proofs = 0; proofs < 5; ++proofs) {
                    if (boundaries + 1 == segments && proofs == segments) continue;
                    Run memory run = _proved(segments);
                    run.boundaries = _resized(run.boundaries, boundaries);
                    run.proofs = _resized(run.proofs, proofs);
                    _refuse(run, _lengthError(segments, boundaries, proofs));
                }
            }
        }
    }

    /// @notice Segments in another order are another chain, and do not fit.
    function test_verify_refusesAnotherOrder() external {
        Run memory run = _proved(3);
        bytes32 id = InferenceChain.id(run.models);
        (run.models[0], run.models[1]) = (run.models[1], run.models[0]);
        _refuseAs(id, run, _otherChain(id, run));
        _refuse(run, _unfit(0));
        // With all that belongs to them, and even if they fit.
        for (uint256 i = 0; i < 3; ++i) {
            _verifier.setHeaders(run.models[i], _header(0), _header(0));
        }
        (run.proofs[0], run.proofs[1]) = (run.proofs[1], run.proofs[0]);
        _refuseAs(id, run, _otherChain(id, run));
        _refuse(run, _invalid());
    }

    /// @notice A segment is neither left out nor repeated.
    function test_verify_refusesAnotherNumberOfSegments() external {
        Run memory run = _proved(3);
        bytes32 id = InferenceChain.id(run.models);
        run.models = _cut(run.models, 2);
        _refuseAs(id, run, _otherChain(id, run));
        _refuse(run, _lengthError(2, 2, 3));
        (run.boundaries, run.proofs) = (_resized(run.boundaries, 1), _resized(run.proofs, 2));
        _refuseAs(id, run, _otherChain(id, run));
        _refuse(run, _invalid());

        run = _proved(2);
        id = InferenceChain.id(run.models);
        run.models = new bytes32[](3);
        (run.models[0], run.models[1], run.models[2]) = (_model(0), _model(1), _model(1));
        run.boundaries = _resized(run.boundaries, 2);
        run.proofs = _resized(run.proofs, 3);
        _refuseAs(id, run, _otherChain(id, run));
        _refuse(run, _unfit(1));
        // Where it would fit, its proof is for other ends.
        _verifier.setHeaders(_model(1), _header(0), _header(0));
        (run.boundaries[1], run.proofs[2]) = (run.boundaries[0], run.proofs[1]);
        _refuse(run, _invalid());
    }

    /// @notice What passes between segments is what both are proved for.
    function test_verify_refusesAnotherBoundary() external {
        for (uint256 i = 0; i < 2; ++i) {
            Run memory run = _proved(3);
            run.boundaries[i] = run.boundaries[1 - i];
            _refuse(run, _invalid());
            run.boundaries[i] = "";
            _refuse(run, _invalid());
            // Proved for the segment before alone, for the one after alone, and for both.
            run.boundaries[i] = "another";
            _prove(run, i);
            _refuse(run, _invalid());
            _prove(run, i + 1);
            _accept(run);
            run = _proved(3);
            run.boundaries[i] = "yet another";
            _prove(run, i + 1);
            _refuse(run, _invalid());
        }
    }

    /// @notice The ends are those that are proved.
    function test_verify_refusesOtherEnds() external {
        for (uint256 segments = 1; segments <= 3; ++segments) {
            Run memory run = _proved(segments);
            run.input = OUTPUT;
            _refuse(run, _invalid());
            (run.input, run.output) = (INPUT, INPUT);
            _refuse(run, _invalid());
            run.output = OUTPUT;
            _accept(run);
        }
    }

    /// @notice Each segment has a proof of its own.
    function test_verify_refusesOtherProofs() external {
        for (uint256 i = 0; i < 3; ++i) {
            Run memory run = _proved(3);
            run.proofs[i] = run.proofs[(i + 1) % 3];
            _refuse(run, _invalid());
            run.proofs[i] = "";
            _refuse(run, _invalid());
        }
    }

    /// @notice Segments fit if both say of the boundary that it is committed, and how its integers are to be read.
    function test_check_refusesSegmentsThatDoNotFit() external {
        for (uint256 i = 0; i < 2; ++i) {
            Run memory run = _proved(3);
            bytes32[2] memory before = [i == 0 ? bytes32(0) : _header(0), _header(i)];
            bytes32[2] memory after_ = [_header(i), i == 0 ? _header(1) : bytes32(0)];
            bytes32[3] memory others = [bytes32(0), "another", before[0] ^ after_[1]];
            for (uint256 j = 0; j < others.length; ++j) {
                _verifier.setHeaders(_model(i), before[0], others[j]);
                _refuseUnfit(run, i);
                _verifier.setHeaders(_model(i), before[0], before[1]);
                _verifier.setHeaders(_model(i + 1), others[j], after_[1]);
                _refuseUnfit(run, i);
                _verifier.setHeaders(_model(i + 1), after_[0], after_[1]);
            }
            // Nothing committed on either side: the claims would say nothing about each other.
            _verifier.setHeaders(_model(i), before[0], 0);
            _verifier.setHeaders(_model(i + 1), 0, after_[1]);
            _refuseUnfit(run, i);
        }
    }

    /// @notice The first pair of segments that does not fit is named.
    function test_check_namesTheFirstThatDoesNotFit() external {
        Run memory run = _proved(3);
        for (uint256 i = 0; i < 3; ++i) {
            _verifier.setHeaders(_model(i), 0, 0);
        }
        _refuseUnfit(run, 0);
    }

    /// @notice The keys of all segments have to be stored, that of a single one too.
    function test_check_refusesAModelThatIsNotStored() external {
        for (uint256 segments = 1; segments <= 3; ++segments) {
            for (uint256 i = 0; i < segments; ++i) {
                Run memory run = _proved(segments);
                run.models[i] = "nothing";
                bytes memory reason =
                    abi.encodeWithSelector(IInferenceVerifier.ModelNotStored.selector, bytes32("nothing"));
                _refuse(run, reason);
                vm.expectRevert(reason);
                _caller.check(_verifier, run.models);
            }
        }
    }

    /// @notice All segments are proved for the context of the chain.
    function test_verify_refusesAnotherContext() external {
        for (uint256 i = 0; i < 3; ++i) {
            Run memory run = _proved(3);
            (bytes32 most, bytes32 other) = (keccak256(abi.encode("most", i)), keccak256(abi.encode("other", i)));
            for (uint256 j = 0; j < 3; ++j) {
                run.context = i == j ? other : most;
                _prove(run, j);
            }
            run.context = most;
            _refuse(run, _invalid());
            run.context = other;
            _refuse(run, _invalid());
            _prove(run, (i + 1) % 3);
            _prove(run, (i + 2) % 3);
            _accept(run);
        }
    }

    /// @notice A caller who relies on another chain gets nothing from this one.
    function test_verifyChain_refusesAnotherChain() external {
        Run memory run = _proved(3);
        bytes32[3] memory others = [bytes32(0), run.models[0], InferenceChain.id(run.models) ^ bytes32(uint256(1))];
        for (uint256 i = 0; i < others.length; ++i) {
            _refuseAs(others[i], run, _otherChain(others[i], run));
        }
        // A chain of one is not its model.
        run = _proved(1);
        _refuseAs(run.models[0], run, _otherChain(run.models[0], run));
        _accept(run);
    }

    /// @notice The verifier must be a contract.
    function test_constructor_refusesAVerifierWithoutCode() external {
        vm.expectRevert(abi.encodeWithSelector(ChainVerifier.NoVerifier.selector, ALICE));
        new ChainVerifier(IInferenceVerifier(ALICE));
        eq(address(_chains.verifier()), address(_verifier));
    }

    /// @dev A chain of which nothing is proved, and whose keys are not stored.
    function _chain(uint256 segments) private view returns (Run memory run) {
        run.models = new bytes32[](segments);
        run.boundaries = new bytes[](segments - 1);
        run.proofs = new bytes[](segments);
        (run.input, run.output, run.context) = (INPUT, OUTPUT, CONTEXT);
        for (uint256 i = 0; i < segments; ++i) {
            run.models[i] = _model(i);
            run.proofs[i] = abi.encode("proof", i);
            if (i > 0) run.boundaries[i - 1] = abi.encode(i, "boundary");
        }
    }

    /// @dev A chain whose keys are stored and fit, and of which every segment is proved.
    function _proved(uint256 segments) private returns (Run memory run) {
        run = _chain(segments);
        for (uint256 i = 0; i < segments; ++i) {
            _verifier.storeKey(abi.encode("segment", i));
            bool last = i + 1 == segments;
            _verifier.setHeaders(_model(i), i == 0 ? bytes32(0) : _header(i - 1), last ? bytes32(0) : _header(i));
            _prove(run, i);
        }
    }

    /// @dev The mock accepts a segment's claim as it is now, from now on.
    function _prove(Run memory run, uint256 index) private {
        bytes memory input = index == 0 ? run.input : run.boundaries[index - 1];
        bytes memory output = index + 1 == run.models.length ? run.output : run.boundaries[index];
        _verifier.accept(run.models[index], input, output, run.context, run.proofs[index]);
    }

    /// @dev Fails unless library and chain verifier accept this.
    function _accept(Run memory run) private view {
        bytes32 id = InferenceChain.id(run.models);
        _caller.verify(_verifier, id, run);
        _chains.verifyChain(id, run.models, run.input, run.boundaries, run.output, run.context, run.proofs);
    }

    /// @dev Fails unless library and chain verifier refuse this with exactly this error.
    function _refuse(Run memory run, bytes memory reason) private {
        _refuseAs(InferenceChain.id(run.models), run, reason);
    }

    /// @dev As `_refuse`, for a caller who relies on the chain `id`.
    function _refuseAs(bytes32 id, Run memory run, bytes memory reason) private {
        vm.expectRevert(reason);
        _caller.verify(_verifier, id, run);
        vm.expectRevert(reason);
        _chains.verifyChain(id, run.models, run.input, run.boundaries, run.output, run.context, run.proofs);
    }

    /// @dev Fails unless the segment at `index` and the next one do not fit, whatever is asked.
    function _refuseUnfit(Run memory run, uint256 index) private {
        _refuse(run, _unfit(index));
        vm.expectRevert(_unfit(index));
        _caller.check(_verifier, run.models);
    }

    function _model(uint256 index) private view returns (bytes32) {
        return _verifier.idOf(abi.encode("segment", index));
    }

    /// @dev The header of the boundary after a segment.
    function _header(uint256 index) private pure returns (bytes32) {
        return keccak256(abi.encode("header", index));
    }

    function _cut(bytes32[] memory all, uint256 count) private pure returns (bytes32[] memory some) {
        some = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            some[i] = all[i];
        }
    }

    /// @dev The first of them, and empty ones if there are not enough.
    function _resized(bytes[] memory all, uint256 count) private pure returns (bytes[] memory some) {
        some = new bytes[](count);
        for (uint256 i = 0; i < count && i < all.length; ++i) {
            some[i] = all[i];
        }
    }

    function _invalid() private pure returns (bytes memory) {
        return abi.encodeWithSelector(IInferenceVerifier.InvalidProof.selector);
    }

    function _unfit(uint256 index) private pure returns (bytes memory) {
        return abi.encodeWithSelector(InferenceChain.UnfitSegments.selector, index);
    }

    function _lengthError(uint256 segments, uint256 boundaries, uint256 proofs) private pure returns (bytes memory) {
        return abi.encodeWithSelector(InferenceChain.InvalidChainLength.selector, segments, boundaries, proofs);
    }

    function _otherChain(bytes32 expected, Run memory run) private pure returns (bytes memory) {
        return abi.encodeWithSelector(InferenceChain.OtherChain.selector, expected, InferenceChain.id(run.models));
    }
}
