/// Tokens that are found in a text before the rest is split into words.
struct AddedTokens: Sendable {
    /// A part of a text.
    enum Part {
        case token(Int32)
        case text(Range<Int>)
    }

    private let tokens: [AddedToken]
    private let tree: ByteTrie
    private let canStart: [Bool]
    private let classes = CharacterClass.table

    /// - Parameter tokens: the tokens, and the bytes by which each is found.
    init(_ tokens: [(token: AddedToken, bytes: [UInt8])]) {
        self.tokens = tokens.map(\.token)
        var tree = ByteTrie()
        var canStart = Array(repeating: false, count: 256)
        for (i, (_, bytes)) in tokens.enumerated() {
            guard let first = bytes.first else { continue }
            tree.insert(bytes, value: Int32(i))
            canStart[Int(first)] = true
        }
        self.tree = tree
        self.canStart = canStart
    }

    var isEmpty: Bool { tokens.isEmpty }

    /// The tokens in a text, and the parts between them.
    func parts(of text: UTF8Text) -> Parts { Parts(tokens: self, text: text) }

    /// Finds tokens from left to right; at each position the longest.
    struct Parts: IteratorProtocol {
        private let tokens: AddedTokens
        private let text: UTF8Text
        private var position = 0
        /// Up to here, all has been returned.
        private var done = 0
        private var waiting: Part?
        private var isAtEnd = false

        fileprivate init(tokens: AddedTokens, text: UTF8Text) {
            self.tokens = tokens
            self.text = text
        }

        mutating func next() -> Part? {
            if let part = waiting {
                waiting = nil
                return part
            }
            while let (token, match) = nextMatch() {
                let found = tokens.extended(match, of: token, in: text, after: done)
                let before = done
                done = found.end
                // A token of white space is empty if the token before it took that white space.
                let part = found.start < found.end ? Part.token(token.id) : nil
                if before < found.start {
                    waiting = part
                    return .text(before..<found.start)
                }
                if let part { return part }
            }
            guard !isAtEnd, done != text.count else { return nil }
            isAtEnd = true
            return .text(done..<text.count)
        }

        private mutating func nextMatch() -> (AddedToken, Range<Int>)? {
            while position < text.count {
                guard tokens.canStart[Int(text[position])],
                    let (index, end) = tokens.tree.longest(in: text, from: position, to: text.count)
                else {
                    position += 1
                    continue
                }
                let match = position..<end
                position = end
                let token = tokens.tokens[Int(index)]
                if !token.singleWord || tokens.isAlone(match, in: text) { return (token, match) }
            }
            return nil
        }
    }

    /// Whether no word goes on to a match or from it.
    private func isAlone(_ match: Range<Int>, in text: UTF8Text) -> Bool {
        let (start, end) = (match.lowerBound, match.upperBound)
        return !(start > 0 && isWord(text, text.index(before: start)))
            && !(end < text.count && isWord(text, end))
    }

    private func isWord(_ text: UTF8Text, _ index: Int) -> Bool {
        classes[text.scalar(at: index).scalar].contains(.word)
    }

    /// A match with the white space that its token takes. The end can be before the start, if the
    /// token before has taken the white space of which this one consists.
    private func extended(
        _ match: Range<Int>, of token: AddedToken, in text: UTF8Text, after done: Int
    ) -> (start: Int, end: Int) {
        var (start, end) = (match.lowerBound, match.upperBound)
        if token.lstrip {
            while start > 0, isSpace(text, text.index(before: start)) {
                start = text.index(before: start)
            }
            start = max(start, done)
        }
        if token.rstrip {
            while end < text.count, isSpace(text, end) { end = text.scalar(at: end).next }
        }
        return (start, end)
    }

    private func isSpace(_ text: UTF8Text, _ index: Int) -> Bool {
        classes[text.scalar(at: index).scalar].contains(.whiteSpace)
    }
}
