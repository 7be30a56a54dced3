import Testing

@testable import TextClassifierKit

struct BytePairTests {
    private let space = "\u{120}"

    private func ids(_ text: String, _ merges: [String]) throws -> [Int32] {
        try Tokenizer(metadata: Metadata.bytePairs(merges)).pieces(of: text)
    }

    /// Ids of bytes that no merge takes.
    private func bytes(_ text: String) -> [Int32] { text.utf8.map { Int32($0) + 4 } }

    @Test func theLowestRankIsMergedFirst() throws {
        #expect(try ids("abc", ["b c", "a b", "a bc"]) == [262])
        #expect(try ids("abc", ["a b", "b c", "a bc"]) == [260] + bytes("c"))
        #expect(try ids("aaa", ["a a"]) == [260] + bytes("a"))
    }

    @Test func longWordsAreMergedInTheSameOrder() throws {
        let merges = ["b a", "a b", "a a", "ab ab", "aa aa", "ba ab", "baab a"]
        var word = ""
        var state: UInt32 = 1
        for length in 1...300 {
            state = state &* 1_664_525 &+ 1_013_904_223
            word += state >> 31 == 0 ? "a" : "b"
            #expect(try ids(word, merges) == mergedOneByOne(word, merges), "\(length) letters")
        }
    }

    /// Merges as the definition says, in quadratic time.
    private func mergedOneByOne(_ word: String, _ merges: [String]) -> [Int32] {
        let pairs = merges.map { $0.split(separator: " ").map(String.init) }
        var parts = word.map { String($0) }
        while let pair = pairs.first(where: { pair in
            zip(parts, parts.dropFirst()).contains { [$0, $1] == pair }
        }),
            let i = parts.indices.dropLast().first(where: { [parts[$0], parts[$0 + 1]] == pair })
        {
            parts.replaceSubrange(i...i + 1, with: [pair.joined()])
        }
        let merged = pairs.map { $0.joined() }
        return parts.flatMap { part in
            merged.lastIndex(of: part).map { [Int32($0) + 260] } ?? bytes(part)
        }
    }

    @Test func aSpaceBelongsToTheWordAfterIt() throws {
        let merges = ["\(space) a", "\(space) \(space)"]
        #expect(try ids("a a", merges) == bytes("a") + [260])
        #expect(try ids("a   a", merges) == bytes("a") + [261, 260])
        #expect(try ids("a  ", merges) == bytes("a") + [261])
        #expect(try ids("  \n a", merges) == [261] + bytes("\n") + [260])
    }

    @Test func contractionsAreWords() throws {
        let merges = ["' s", "' S", "' r", "'r e", "e s"]
        #expect(try ids("it's", merges) == bytes("it") + [260])
        #expect(try ids("we'res", merges) == bytes("we") + [263] + bytes("s"))
        #expect(try ids("IT'S", merges) == bytes("IT'S"))
        #expect(try ids("''s", merges) == bytes("''s"))
    }
}
