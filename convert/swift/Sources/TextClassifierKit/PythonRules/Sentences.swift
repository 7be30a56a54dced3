/// Splits an English text into sentences, by the same rules as `mlx_finbert.data.sentences`.
///
/// A sentence ends at a stop followed by white space, or at a line break. The words before and
/// after a full stop decide whether it belongs to an abbreviation. If no rule decides, the sentence
/// continues.
package func splitSentences(_ text: String) -> [String] {
    let scalars = Scalars(text)
    let isCased = scalars.contains(where: \.isUpper)
    var found = [Sentence()]
    for (word, breaks) in words(of: scalars) {
        let goesOn = isCased && isLower(word)
        if found[found.count - 1].begins(with: word, after: breaks, goesOn: goesOn) {
            found.append(Sentence())
        }
        found[found.count - 1].add(word)
    }
    if found.count > 1, let last = found.last, last.content == 0 {
        found.removeLast()
        found[found.count - 1].words += last.words
    }
    return found.filter { !$0.words.isEmpty }.map(\.text)
}

/// The words of a sentence so far.
private struct Sentence {
    var words: [Scalars] = []
    /// The number of words with a letter or digit.
    var content = 0
    /// The last word that does not consist of closing marks only.
    var last: Scalars = []
    /// Whether the last word is one of several separate stops: `. . .`
    var isEllipsis = false
    var isInQuotes = false

    var text: String {
        String(Scalars(words.joined(separator: [" "])))
    }

    mutating func add(_ word: Scalars) {
        words.append(word)
        if word.contains(where: \.isAlphanumeric) { content += 1 }
        if word.count(of: "\"") % 2 == 1 { isInQuotes.toggle() }
        if !word.allSatisfy(isClosing) {
            isEllipsis = word == ["."] && last == word
            last = word
        }
    }

    /// Whether a word begins a new sentence after this one.
    ///
    /// - Parameter goesOn: whether the word's case suggests that the sentence continues.
    func begins(with word: Scalars, after breaks: Int, goesOn: Bool) -> Bool {
        guard content > 0 else { return false }
        if breaks > 0 { return breaks > 1 || !goesOn || isEnumerator(word) }
        if word.allSatisfy(isClosing) && (word != ["\""] || isInQuotes) { return false }
        if word.allSatisfy({ isStop($0) || $0 == "," || isColon($0) }) { return false }
        let last = last.strippedAtEnd(where: isClosing)
        // A separate stop, as in tokenized corpora.
        if last == ["."] && !isEllipsis { return true }
        let body = last.strippedAtEnd(where: isStop)
        if goesOn || body.count == last.count { return false }
        if last[body.endIndex...] != ["."] { return bare(word) != "inc" }  // Yahoo! Inc.
        return !isAbbreviation(body.strippedAtStart(where: isOpening), before: word)
    }

    /// Whether the full stop after `body`, the last word so far, marks an abbreviation.
    private func isAbbreviation(_ body: Scalars, before following: Scalars) -> Bool {
        let name = body.folded ?? ""
        if PythonTables.neverLast.contains(name) || (content == 1 && isEnumerator(last)) {
            return true
        }
        let isInitial = body.count == 1 && body.allSatisfy(isCapital)
        if PythonTables.seldomLast.contains(name) || isDotted(body) || isInitial {
            return !PythonTables.starters.contains(bare(following) ?? "")
        }
        let isDay = (1...2).contains(body.count) && body.allSatisfy(\.isDecimal)
        guard PythonTables.numbered.contains(name) || isDay else { return false }
        let next = following.strippedAtStart { isOpening($0) || $0 == "+" }
        return next.first?.isDigit ?? false
    }
}

/// Each word, and the number of line breaks before it.
private func words(of text: Scalars) -> [(word: Scalars, breaks: Int)] {
    var found: [(Scalars, Int)] = []
    var breaks = 0
    var position = text.startIndex
    while position < text.endIndex {
        let scalar = text[position]
        guard scalar.isSpace else {
            let rest = text[position...]
            let word = rest.prefix { !$0.isSpace }
            found.append((word, breaks))
            breaks = 0
            position = word.endIndex
            continue
        }
        position += 1
        if scalar == "\r" && position < text.endIndex && text[position] == "\n" {
            position += 1
        }
        if scalar.isLineEnd { breaks += 1 }
    }
    return found
}

/// Whether a word begins in lower case; iPhone and eBay do not count.
private func isLower(_ word: Scalars) -> Bool {
    guard let first = word.first(where: \.isAlphanumeric), first.isLower else { return false }
    let rest = word.strippedAtStart(where: isOpening)
    let small = rest.prefix(while: isSmall)
    return small.isEmpty || small.endIndex == rest.endIndex || !isCapital(rest[small.endIndex])
}

/// A word for lookup, without surrounding marks and the part after an apostrophe.
private func bare(_ word: Scalars) -> String? {
    let marks = Set(".,;:?!".unicodeScalars)
    let inner = word.stripped { isOpening($0) || isClosing($0) || marks.contains($0) }
    return inner.prefix { $0 != "'" && $0 != "’" }.folded
}

/// Letters with stops between them, such as `U.S` and `Ph.D`.
private func isDotted(_ word: Scalars) -> Bool {
    let parts = word.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count > 1
        && parts.allSatisfy { (1...2).contains($0.count) && $0.allSatisfy(\.isLetter) }
}

/// The number of an item or a question, such as `(a)`, `1.`, `iv)` and `Q2.`
private func isEnumerator(_ word: Scalars) -> Bool {
    guard let end = word.last, end == "." || end == ")" else { return false }
    let inner = (word.first == "(" ? word.dropFirst() : word).dropLast()
    guard let first = inner.first else { return false }
    if inner.count <= 3 && inner.allSatisfy(\.isDecimal) { return true }
    if inner.count == 1 && (isSmall(first) || isCapital(first)) { return true }
    if inner.allSatisfy({ small.contains($0) }) || inner.allSatisfy({ capital.contains($0) }) {
        return true
    }
    let number = inner.dropFirst()
    let isAsked = first == "A" || first == "Q"
    return isAsked && !number.isEmpty && number.allSatisfy(\.isDecimal)
}

/// The Roman numerals up to 399.
private let small = Set("ivxlc".unicodeScalars)
private let capital = Set("IVXLC".unicodeScalars)

private func isStop(_ scalar: Unicode.Scalar) -> Bool { PythonTables.stops.contains(scalar) }
private func isClosing(_ scalar: Unicode.Scalar) -> Bool { PythonTables.closing.contains(scalar) }
private func isOpening(_ scalar: Unicode.Scalar) -> Bool { PythonTables.opening.contains(scalar) }
private func isColon(_ scalar: Unicode.Scalar) -> Bool { scalar == ";" || scalar == ":" }
private func isSmall(_ scalar: Unicode.Scalar) -> Bool { ("a"..."z").contains(scalar) }
private func isCapital(_ scalar: Unicode.Scalar) -> Bool { ("A"..."Z").contains(scalar) }

extension Scalars {
    fileprivate func count(of scalar: Unicode.Scalar) -> Int {
        reduce(0) { $0 + ($1 == scalar ? 1 : 0) }
    }
}
