package main

import (
	"errors"
	"fmt"
	"time"

	"kagami/bpf/filter"
	"kagami/configs"
	"kagami/packet"
)

type checkCmd struct {
	settings
	PrintDefault bool `help:"Print the default configuration with comments, and stop."`
}

// Run loads the configuration, reads the files that it names, and says what is wrong
// with it, all at once.
func (c *checkCmd) Run() error {
	if c.PrintDefault {
		fmt.Print(configs.DefaultText)
		return nil
	}
	conf, err := c.load(defaultConfig)
	if err != nil {
		return err
	}
	if _, err := filter.Compile(conf.Capture.Filter, uint16(packet.LinkEthernet)); err != nil {
		return fmt.Errorf("capture.filter: %w", err)
	}
	if path := conf.Detect.Suppressions; path != "" {
		_, list, err := readSuppressions(path)
		if err != nil {
			return err
		}
		for _, w := range list.Warnings(time.Now().UnixNano()) {
			fmt.Printf("%s: %s\n", path, printable(w))
		}
	}
	var files []error
	for _, e := range conf.Export {
		files = append(files, e.CheckFiles())
	}
	if err := errors.Join(files...); err != nil {
		return err
	}
	name := c.Config
	if name == "" {
		name = "configuration"
	}
	fmt.Printf("%s is good\n", name)
	if line := conf.Evidence.Endurance(); conf.Evidence.Enabled && line != "" {
		fmt.Println("evidence:", line)
	}
	return nil
}
