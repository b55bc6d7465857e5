package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"

	"kagami/capture"
	"kagami/configs"
	"kagami/decoders"
	"kagami/exporters"
	"kagami/records"
	"kagami/sensor"
	"kagami/site"
)

// plainEngine is the pipeline without detectors and places, with one worker: for
// reading packets that were captured before. A nil store keeps none.
func plainEngine(c configs.Config, output func([]records.Record), store sensor.Store) (*sensor.Engine, error) {
	networks, errs := sensor.NewNetworks(c.Network.Zones, c.Network.Outside)
	if errs != nil {
		return nil, errors.Join(errs...)
	}
	o := sensor.Options{Config: c.Sensor, Networks: networks, Protocols: decoders.All(c.Decode), Output: output}
	o.Config.Workers = 1
	if c.Site.Enable {
		o.Stage = site.New(c.Site, networks)
	}
	if store != nil {
		o.Store = func(int) sensor.Store { return store }
	}
	return sensor.New(o), nil
}

// recordsOf writes what the packets of capture files say, one stream, as ECS records.
func recordsOf(c configs.Config, log *slog.Logger) func(context.Context, []string, io.Writer) error {
	return func(ctx context.Context, paths []string, w io.Writer) error {
		host, _ := os.Hostname()
		x, err := exporters.Open(exporters.Config{Format: "ecs", To: "stdout:"}, exporters.Env{HostName: host, Version: version, Stdout: w, Logger: log})
		if err != nil {
			return err
		}
		var failed error
		e, err := plainEngine(c, func(rs []records.Record) { failed = errors.Join(failed, x.Write(rs)) }, nil)
		if err != nil {
			return err
		}
		src := capture.OpenFiles(paths, capture.FileOptions{})
		return errors.Join(e.Read(ctx, src), failed, x.Close(ctx))
	}
}

// namesOf reads a capture file through all decoders for the names in it, which a
// store takes down as notes.
func namesOf(c configs.Config) func(sensor.Source, sensor.Store) error {
	return func(src sensor.Source, store sensor.Store) error {
		e, err := plainEngine(c, func([]records.Record) {}, store)
		if err != nil {
			return err
		}
		return e.Read(context.Background(), src)
	}
}
