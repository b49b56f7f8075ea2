// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity >=0.8.20 <0.9.0;

import {IInferenceVerifier, Inference} from "./IInferenceVerifier.sol";
import {IModelKeys} from "./IModelKeys.sol";

/// @title A network in segments, verified as one
/// @notice The output commitment of a segment is the input commitment of the next: nobody sees what passes between them, and one proof a segment
/// says that the chain maps the first input to the last output.
library InferenceChain {
    /// @notice The models are those of another chain.
    error OtherChain(bytes32 expected, bytes32 got);
    /// @notice A chain without segments says nothing.
    error EmptyChain();
    /// @notice A chain of `segments` segments has one boundary less and as many proofs.
    error InvalidChainLength(uint256 segments, uint256 boundaries, uint256 proofs);
    /// @notice What the segment at `index` puts out, counted from 0, is not committed, or not what the next one takes in.
    error UnfitSegments(uint256 index);

    /// @notice Names a chain: order and number of its models.
    /// @param models The segments' model ids.
    /// @return `keccak256("inferproof/chain/1" | be32 count | model ids)`.
    function id(bytes32[] memory models) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked("inferproof/chain/1", uint32(models.length), models));
    }

    /// @notice Returns if the keys of all models are stored and each segment takes in what the one before puts out, else reverts.
    /// @dev A header is zero unless the tensor is committed, and covers SRS, shape, range and scale.
    /// @param keys The verifier.
    /// @param models The segments' model ids.
    function check(IModelKeys keys, bytes32[] memory models) internal view {
        if (models.length == 0) revert EmptyChain();
        bytes32 header = keys.tensorHeader(models[0], true);
        for (uint256 i = 1; i < models.length; ++i) {
            if (header == 0 || header != keys.tensorHeader(models[i], false)) revert UnfitSegments(i - 1);
            header = keys.tensorHeader(models[i], true);
        }
    }

    /// @notice Returns if the models are those of `chainId` and every segment is proved for `context`, else reverts.
    /// @param verifier The verifier.
    /// @param chainId The chain that the caller relies on.
    /// @param models The segments' model ids.
    /// @param input The first segment's input, as `Inference` has it.
    /// @param boundaries The commitments between the segments, 64 bytes each.
    /// @param output The last segment's output, as `Inference` has it.
    /// @param context What all segments were proved for.
    /// @param proofs One for each segment.
    function verify(
        IInferenceVerifier verifier,
        bytes32 chainId,
        bytes32[] memory models,
        bytes memory input,
        bytes[] memory boundaries,
        bytes memory output,
        bytes32 context,
        bytes[] memory proofs
    ) internal view {
        bytes32 got = id(models);
        if (got != chainId) revert OtherChain(chainId, got);
        check(IModelKeys(address(verifier)), models);
        uint256 segments = models.length;
        if (boundaries.length + 1 != segments || proofs.length != segments) {
            revert InvalidChainLength(segments, boundaries.length, proofs.length);
        }
        Inference[] memory claims = new Inference[](segments);
        for (uint256 i = 0; i < segments; ++i) {
            claims[i] = Inference({
                modelId: models[i],
                input: i == 0 ? input : boundaries[i - 1],
                output: i + 1 == segments ? output : boundaries[i],
                context: context,
                proof: proofs[i]
            });
        }
        verifier.verifyBatch(claims);
    }
}
