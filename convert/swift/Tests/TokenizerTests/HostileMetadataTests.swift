import Foundation
import Testing

@testable import TextClassifierKit

/// Metadata with random changes give ids or an error.
struct HostileMetadataTests {
    private static let rounds = 100
    private let texts = [
        "", "a b ab", "\u{1D16D}株\u{301} [X]\t- '", String(repeating: "aé", count: 60),
    ]

    @Test(arguments: [
        Metadata.wordPieces(["a", "##b"], added: Metadata.added(4, "[X]", "lstrip", "normalized")),
        Metadata.bytePairs(["a b", "ab a"]),
    ])
    func changedBytes(metadata: [String: String]) {
        var random = Random(state: 1)
        var tokenizers = 0
        for _ in 0..<Self.rounds {
            var changed = metadata
            for key in metadata.keys where Bool.random(using: &random) {
                changed[key] = damaged(metadata[key] ?? "", &random)
            }
            guard let tokenizer = try? Tokenizer(metadata: changed) else { continue }
            tokenizers += 1
            for text in texts { #expect(tokenizer.encode(text, maxLength: 9).inputIDs.count <= 9) }
        }
        #expect(tokenizers > Self.rounds / 20 && tokenizers < Self.rounds)
    }

    private func damaged(_ text: String, _ random: inout Random) -> String {
        var bytes = Array(text.utf8)
        for _ in 0..<Int.random(in: 1...3, using: &random) where !bytes.isEmpty {
            let at = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
            case 1: bytes.remove(at: at)
            case 2: bytes.insert(UInt8(ascii: "9"), at: at)
            default: bytes.removeSubrange(at..<min(at + 9, bytes.count))
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// SplitMix64, so that all runs have the same numbers.
private struct Random: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
