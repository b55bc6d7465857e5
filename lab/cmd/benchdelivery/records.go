package main

import (
	"context"
	"errors"
	"fmt"

	"kagami/capture"
	"kagami/configs"
	"kagami/decoders"
	"kagami/detectors"
	"kagami/records"
	"kagami/sensor"
	"kagami/site"
)

// load reads all records of a capture.
func load(path string) (all []records.Record, err error) {
	err = read(path, func(rs []records.Record) { all = append(all, rs...) })
	return all, err
}

// read runs a capture through the sensor, set up as it ships, in one goroutine.
func read(path string, output func([]records.Record)) error {
	c := configs.Default()
	c.Sensor.Workers = 1
	networks, errs := sensor.NewNetworks(c.Network.Zones, c.Network.Outside)
	if errs != nil {
		return errors.Join(errs...)
	}
	f, err := capture.Open(path, capture.FileOptions{})
	if err != nil {
		return err
	}
	defer f.Close()
	engine := sensor.New(sensor.Options{
		Config: c.Sensor, Networks: networks, Protocols: decoders.All(c.Decode), Stage: site.New(c.Site, networks),
		Detectors: []sensor.Detector{detectors.New(c.Detect, nil)}, Output: output,
	})
	if err := engine.Read(context.Background(), f); err != nil {
		return fmt.Errorf("read %q: %w", path, err)
	}
	return nil
}
