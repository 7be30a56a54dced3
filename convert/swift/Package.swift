// swift-tools-version: 6.0
import PackageDescription

let package = Package(
    name: "TextClassifierKit",
    platforms: [.macOS(.v13), .iOS(.v16)],
    products: [
        .library(name: "TextClassifierKit", targets: ["TextClassifierKit"]),
    ],
    targets: [
        .target(name: "TextClassifierKit"),
        .testTarget(name: "TokenizerTests", dependencies: ["TextClassifierKit"]),
    ]
)

#if os(Linux)
// Stand-ins for Apple's frameworks, and tools for the Python tests. An export leaves them out.
package.targets += [
    .executableTarget(name: "tokenize", dependencies: ["TextClassifierKit"], path: "Tools/tokenize"),
]
#endif
