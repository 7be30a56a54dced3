/// Merges the tokens of a long word as `Merging` does, with a heap of pairs.
struct LongWord {
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

    init(_ tokens: some Sequence<Int32>, by merges: Merges) {
        self.merges = merges
        symbols = tokens.enumerated().map { i, token in
            Symbol(token: token, rank: nil, previous: i - 1, next: i + 1)
        }
    }

    /// Appends the merged tokens.
    mutating func merge(into ids: inout [Int32]) {
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
