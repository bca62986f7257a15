package localpeer_test

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/curfewhq/curfew/internal/localpeer"
)

func TestFerretDB(t *testing.T) {
	server, err := localpeer.StartFerretDB(t.Context(), localpeer.FerretDBOptions{Progress: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	client, err := mongo.Connect(options.Client().ApplyURI(server.RootURI(server.Addr())))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(t.Context()) })
	orders := client.Database("orders").Collection("orders")
	if _, err := orders.InsertOne(t.Context(), bson.D{{Key: "_id", Value: 17}}); err != nil {
		t.Fatal(err)
	}
	if n, err := orders.CountDocuments(t.Context(), bson.D{}); n != 1 || err != nil {
		t.Errorf("%d orders, %v", n, err)
	}
}
