package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// mavenDependencies is the plugin of Maven that copies jars.
const mavenDependencies = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"

// mavenJars fills dir with the jar of a Maven artifact, such as "group:name:1.2.3", and
// those that it needs to run. Maven checks them against the repository's checksums.
func mavenJars(ctx context.Context, artifact, dir string) error {
	part := strings.Split(artifact, ":")
	if len(part) != 3 {
		return fmt.Errorf("%q is no Maven artifact", artifact)
	}
	project := fmt.Sprintf(`<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId> <artifactId>jars</artifactId> <version>1</version> <packaging>pom</packaging>
  <dependencies>
    <dependency> <groupId>%s</groupId> <artifactId>%s</artifactId> <version>%s</version> </dependency>
  </dependencies>
</project>
`, part[0], part[1], part[2])
	file := filepath.Join(dir, "pom.xml")
	if err := os.WriteFile(file, []byte(project), 0o644); err != nil {
		return err
	}
	err := tool(ctx, dir, nil, "mvn", "--batch-mode", "--quiet", "--strict-checksums",
		mavenDependencies+":copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+dir)
	if err != nil {
		return err
	}
	return os.Remove(file)
}
