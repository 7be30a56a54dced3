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

/// Merges the tokens of words: always the leftmost pair of the lowest rank.
///
/// A heap of pairs keeps the time of a long word in proportion to its length.
struct Merging {
    private struct Symbol {
        var token: Int32
        /// The rank of the pair with the next symbol, if that is merged.
        var rank: UInt32?
        var previous: Int
        var next: Int
    }

    private let merges: Merges
    private var symbols: [Symbol] = []
    private var heap = Heap()

    init(by merges: Merges) { self.merges = merges }

    /// Appends the merged tokens of a word.
    mutating func merge(_ word: some Collection<Int32>, into ids: inout [Int32]) {
        symbols.removeAll(keepingCapacity: true)
        for token in word {
            let i = symbols.count
            symbols.append(Symbol(token: token, rank: nil, previous: i - 1, next: i + 1))
        }
        for i in symbols.indices.dropLast() { rankPair(at: i) }
        while let (rank, i) = heap.popLowest() {
            // Other entries are of pairs that are gone.
            if symbols[i].rank == rank { mergePair(at: i, rank) }
        }
        var i = 0
        while i < symbols.count {
            ids.append(symbols[i].token)
            i = symbols[i].next
        }
    }

    private mutating func mergePair(at i: Int, _ rank: UInt32) {
        let second = symbols[i].next
        symbols[i].token = merges.token(ofRank: rank)
        symbols[i].next = symbols[second].next
        symbols[second].rank = nil
        if symbols[i].next < symbols.count { symbols[symbols[i].next].previous = i }
        rankPair(at: i)
        if symbols[i].previous >= 0 { rankPair(at: symbols[i].previous) }
    }

    private mutating func rankPair(at i: Int) {
        let next = symbols[i].next
        symbols[i].rank =
            next < symbols.count ? merges.rank(symbols[i].token, symbols[next].token) : nil
        if let rank = symbols[i].rank { heap.insert(rank, at: i) }
    }
}

/// Pairs by rank, and those of equal rank by position.
private struct Heap {
    private var entries: [(rank: UInt32, position: Int)] = []

    mutating func insert(_ rank: UInt32, at position: Int) {
        var i = entries.count
        entries.append((rank, position))
        while i > 0, entries[i] < entries[(i - 1) / 2] {
            entries.swapAt(i, (i - 1) / 2)
            i = (i - 1) / 2
        }
    }

    mutating func popLowest() -> (rank: UInt32, position: Int)? {
        guard let lowest = entries.first, let last = entries.popLast() else { return nil }
        guard !entries.isEmpty else { return lowest }
        entries[0] = last
        var i = 0
        while true {
            var least = i
            for child in [2 * i + 1, 2 * i + 2]
            where child < entries.count && entries[child] < entries[least] { least = child }
            if least == i { return lowest }
            entries.swapAt(i, least)
            i = least
        }
    }
}
