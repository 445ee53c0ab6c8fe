package app

import (
	"context"
	"encoding/json"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/rs/zerolog"

	"trenova.selfhost/smoke/internal/config"
)

// publisher dials once and never again: after a restart of RabbitMQ every
// publication fails until the API restarts too.
type publisher struct {
	cfg  config.RabbitMQ
	conn *amqp.Connection
	ch   *amqp.Channel
	log  zerolog.Logger
}

func newPublisher(cfg config.RabbitMQ, log zerolog.Logger) (*publisher, error) {
	// The password is in this line on purpose: the real application logs it at
	// every start, and what handles logs has to cope with that.
	log.Info().Str("computed_amqp_url", cfg.URL()).Msg("connecting to RabbitMQ")

	conn, err := amqp.Dial(cfg.URL())
	if err != nil {
		return nil, err
	}
	p := &publisher{cfg: cfg, conn: conn, log: log}
	if err := p.declare(); err != nil {
		_ = conn.Close()
		return nil, err
	}
	log.Info().Msg("RabbitMQ publisher initialized")
	return p, nil
}

func (p *publisher) declare() (err error) {
	if p.ch, err = p.conn.Channel(); err != nil {
		return err
	}
	deadLetters := p.cfg.ExchangeName + ".dlx"
	for _, exchange := range []string{p.cfg.ExchangeName, deadLetters} {
		if err := p.ch.ExchangeDeclare(exchange, amqp.ExchangeDirect, true, false, false, false, nil); err != nil {
			return err
		}
	}
	args := amqp.Table{"x-dead-letter-exchange": deadLetters}
	if _, err := p.ch.QueueDeclare(p.cfg.QueueName, true, false, false, false, args); err != nil {
		return err
	}
	return p.ch.QueueBind(p.cfg.QueueName, p.cfg.QueueName, p.cfg.ExchangeName, false, nil)
}

func (p *publisher) publish(ctx context.Context, routingKey string, message any) error {
	body, err := json.Marshal(message)
	if err != nil {
		return err
	}
	// A timeout of 0 is over before it begins.
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return err
	}
	return p.ch.PublishWithContext(ctx, p.cfg.ExchangeName, routingKey, false, false, amqp.Publishing{
		ContentType:  "application/json",
		DeliveryMode: amqp.Persistent,
		Timestamp:    time.Now(),
		Body:         body,
	})
}

func (p *publisher) close() {
	_ = p.ch.Close()
	_ = p.conn.Close()
}
