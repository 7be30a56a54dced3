/// The pairs of tokens that are merged, in order.
struct Merges: Sendable {
    private var ranks = IntegerTable()
    private var merged: [Int32] = []

    /// - Parameters:
    ///   - lines: `first second`, in order.
    ///   - vocabulary: the ids of the tokens, which include both parts and what they become.
    init(_ lines: MetadataLines, _ vocabulary: ByteTrie) throws(TokenizerError) {
        for i in 0..<lines.count {
            let parts = lines[i].split(separator: 0x20, omittingEmptySubsequences: false)
            guard parts.count == 2, let first = vocabulary.value(of: parts[0]),
                let second = vocabulary.value(of: parts[1]),
                let both = vocabulary.value(of: parts.joined())
            else { throw .unknownMerge(line: i + 1) }
            ranks.set(UInt32(i), for: Self.key(first, second))
            merged.append(both)
        }
    }

    /// The rank of a pair; nil if it is not merged.
    @inline(__always)
    func rank(_ first: Int32, _ second: Int32) -> UInt32? { ranks[Self.key(first, second)] }

    /// What the pair of a rank becomes.
    @inline(__always)
    func token(ofRank rank: UInt32) -> Int32 { merged[Int(rank)] }

    @inline(__always)
    private static func key(_ first: Int32, _ second: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: first)) << 32 | UInt64(UInt32(bitPattern: second))
    }
}
