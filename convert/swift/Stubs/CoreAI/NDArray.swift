@available(macOS 27, iOS 27, tvOS 27, watchOS 27, visionOS 27, *)
public struct NDArray {
    public enum ScalarType: Hashable, Sendable {
        case int32
        case float16
        case float32
    }

    public let shape: [Int]
    public let scalarType: ScalarType
    let values: [Double]

    public init<Scalar: BitwiseCopyable>(scalars: some Sequence<Scalar>, shape: [Int]) {
        self.shape = shape
        switch Array(scalars) {
        case let integers as [Int32]:
            (scalarType, values) = (.int32, integers.map(Double.init))
        case let floats as [Float]:
            (scalarType, values) = (.float32, floats.map(Double.init))
        case let others:
            preconditionFailure("\(type(of: others)) is not a kind of scalars in the stand-in")
        }
        precondition(values.count == shape.reduce(1, *))
    }

    public func view<Element: BitwiseCopyable>(as type: Element.Type) -> View<Element> {
        precondition(type == Float.self && scalarType == .float32)
        return View(elements: values.compactMap { Float($0) as? Element }, shape: shape)
    }

    public struct View<Element: BitwiseCopyable> {
        let elements: [Element]
        let shape: [Int]

        /// Shape and strides are `Span<Int>` in Apple's declaration, which Swift 6.0 does not have.
        public func withUnsafePointer<Result, Failure: Error>(
            _ body: (UnsafePointer<Element>, [Int], [Int]) throws(Failure) -> Result
        ) throws(Failure) -> Result {
            let strides = shape.indices.map { shape[($0 + 1)...].reduce(1, *) }
            let copy = UnsafeMutableBufferPointer<Element>.allocate(capacity: elements.count)
            _ = copy.initialize(from: elements)
            defer { copy.deallocate() }
            return try body(UnsafePointer(copy.baseAddress!), shape, strides)
        }
    }
}

#if SENDABLE_MODEL
    extension NDArray: Sendable {}
#endif
