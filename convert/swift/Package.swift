// swift-tools-version: 6.0
import PackageDescription

let package = Package(
    name: "TextClassifierKit",
    platforms: [.macOS(.v13), .iOS(.v16)],
    products: [
        .library(name: "TextClassifierKit", targets: ["TextClassifierKit"]),
    ],
    targets: [
        .target(name: "TextClassifierKit", resources: [.process("Resources")]),
        .executableTarget(name: "classify", dependencies: ["TextClassifierKit"]),
        .testTarget(name: "TokenizerTests", dependencies: ["TextClassifierKit"]),
        .testTarget(name: "TextClassifierKitTests", dependencies: ["TextClassifierKit"]),
    ]
)

#if os(Linux)
// Stand-ins for Apple's frameworks, and tools for the Python tests. An export leaves them out.
package.targets += [
    .target(name: "CoreML", path: "Stubs/CoreML", swiftSettings: [.swiftLanguageMode(.v5)]),
    .target(name: "CryptoKit", path: "Stubs/CryptoKit"),
    .executableTarget(
        name: "scenarios", dependencies: ["TextClassifierKit"], path: "Tools/scenarios"),
    .executableTarget(
        name: "tokenize", dependencies: ["TextClassifierKit"], path: "Tools/tokenize"),
]
for target in package.targets where target.name.hasPrefix("TextClassifierKit") {
    target.dependencies += ["CoreML", "CryptoKit"]
}
#endif
