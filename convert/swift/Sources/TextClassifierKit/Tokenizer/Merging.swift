/// Merges the bytes of a word to tokens: always the leftmost pair of the lowest rank.
struct Merging: Sendable {
    private struct Symbol {
        var token: Int32
        /// The rank of the pair with the next symbol.
        var rank: UInt32
    }

    /// Longer words take another way, whose time does not grow with the square of their length.
    private static let shortWord = 64
    private static let noRank = UInt32.max

    private let bytes: [Int32]
    private let merges: Merges

    /// - Parameters:
    ///   - bytes: the token of each byte.
    ///   - merges: the pairs that are merged.
    init(bytes: [Int32], merges: Merges) {
        self.bytes = bytes
        self.merges = merges
    }

    /// Appends the tokens of a word.
    func merge(_ word: UTF8Text, into ids: inout [Int32]) {
        if word.count > Self.shortWord {
            var long = LongWord(word.lazy.map { bytes[Int($0)] }, by: merges)
            return long.merge(into: &ids)
        }
        withUnsafeTemporaryAllocation(of: Symbol.self, capacity: word.count) { symbols in
            for i in 0..<word.count {
                let symbol = Symbol(token: bytes[Int(word[i])], rank: Self.noRank)
                symbols.initializeElement(at: i, to: symbol)
                if i > 0 { rankPair(at: i - 1, in: symbols) }
            }
            var count = word.count
            while let i = lowestPair(in: symbols, count) {
                symbols[i].token = merges.token(ofRank: symbols[i].rank)
                count -= 1
                for next in i + 1..<max(count, i + 1) { symbols[next] = symbols[next + 1] }
                symbols[i].rank = Self.noRank
                if i + 1 < count { rankPair(at: i, in: symbols) }
                if i > 0 { rankPair(at: i - 1, in: symbols) }
            }
            for i in 0..<count { ids.append(symbols[i].token) }
        }
    }

    @inline(__always)
    private func lowestPair(in symbols: UnsafeMutableBufferPointer<Symbol>, _ count: Int) -> Int? {
        var lowest = Self.noRank
        var found: Int?
        for i in 0..<count where symbols[i].rank < lowest { (lowest, found) = (symbols[i].rank, i) }
        return found
    }

    @inline(__always)
    private func rankPair(at i: Int, in symbols: UnsafeMutableBufferPointer<Symbol>) {
        symbols[i].rank = merges.rank(symbols[i].token, symbols[i + 1].token) ?? Self.noRank
    }
}
